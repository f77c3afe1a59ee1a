// What every page gets better by scripts: relative times, copy buttons, live updates. Without scripts each page works.
import { enableCopyButtons } from './copy.js';
import { startLiveUpdates } from './live.js';
import { showRelativeTimes } from './times.js';

/** Called for the whole page, and again for the parts that an update has changed. */
function enhance() {
  showRelativeTimes();
  enableCopyButtons();
}

enhance();
setInterval(showRelativeTimes, 10_000);
if (document.body.dataset.live !== undefined) startLiveUpdates(enhance);

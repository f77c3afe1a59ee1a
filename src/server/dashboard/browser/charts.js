// Draws each chart from the table behind it.
import UPlot from '/dashboard/vendor/uplot.js';

const HEIGHT = 180;
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const { language, timeZone } = document.body.dataset;
const TAG = language === 'zh' ? 'zh-CN' : 'en-GB';
const compact = new Intl.NumberFormat(TAG, { notation: 'compact', maximumFractionDigits: 1 });
const DAY_S = 86_400;
const COLOURS = {
  received: '--pending',
  archived: '--archived',
  dead: '--dead',
  expired: '--expired',
  backlog: '--pending',
  bytes: '--brand',
};

const formats = (options) => new Intl.DateTimeFormat(TAG, { timeZone, hourCycle: 'h23', ...options });
const clock = formats({ hour: '2-digit', minute: '2-digit' });
const day = formats({ month: '2-digit', day: '2-digit' });

function sizeText(bytes) {
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log(Math.max(1, bytes)) / Math.log(1024)));
  return `${Math.round((bytes / 1024 ** power) * 10) / 10} ${units[power]}`;
}

function readTable(figure) {
  const rows = [...figure.querySelectorAll('.table-box tbody tr')];
  const times = rows.map((row) => Date.parse(row.querySelector('time').dateTime) / 1000);
  const columns = figure.dataset.columns
    .split(' ')
    .map((_, index) => rows.map((row) => Number(row.cells[index + 1].querySelector('data').value)));
  return [times, ...columns];
}

function draw(figure) {
  const plot = figure.querySelector('.plot');
  const data = readTable(figure);
  const mark = JSON.stringify([data, plot.clientWidth, css('--text')]);
  if (plot.mark === mark) return;
  plot.mark = mark;
  plot.replaceChildren();
  const [times] = data;
  const span = (times.at(-1) ?? 0) - (times[0] ?? 0);
  const heads = [...figure.querySelectorAll('.table-box thead th')].map((head) => head.textContent);
  const number = figure.dataset.size === undefined ? (value) => compact.format(value) : sizeText;
  const axis = { stroke: css('--muted'), grid: { stroke: css('--line'), width: 1 }, ticks: { show: false } };
  const label = (seconds) => (span > 2 * DAY_S ? day : clock).format(seconds * 1000);
  new UPlot(
    {
      width: plot.clientWidth,
      height: HEIGHT,
      cursor: { points: { size: 6 } },
      legend: { live: true },
      scales: { y: { range: (_plot, _low, high) => [0, Math.max(1, high)] } },
      axes: [
        { ...axis, values: (_plot, splits) => splits.map(label) },
        { ...axis, size: 62, values: (_plot, splits) => splits.map(number) },
      ],
      series: [
        {
          label: heads[0],
          value: (_plot, seconds) =>
            seconds === null ? '–' : `${day.format(seconds * 1000)} ${clock.format(seconds * 1000)}`,
        },
        ...figure.dataset.columns.split(' ').map((name, index) => ({
          label: heads[index + 1],
          stroke: css(COLOURS[name]),
          width: 2,
          fill: data.length === 2 ? `${css(COLOURS[name])}22` : undefined,
          points: { show: false },
          value: (_plot, value) => (value === null ? '–' : number(value)),
        })),
      ],
    },
    data,
    plot,
  );
}

const drawAll = () => {
  for (const figure of document.querySelectorAll('.chart')) draw(figure);
};

const styles = document.createElement('link');
styles.rel = 'stylesheet';
styles.href = '/dashboard/vendor/uplot.css';
styles.addEventListener('load', drawAll);
document.head.append(styles);
document.addEventListener('dashboard-updated', drawAll);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawAll);
let resizing;
addEventListener('resize', () => {
  clearTimeout(resizing);
  resizing = setTimeout(drawAll, 200);
});

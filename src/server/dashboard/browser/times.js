// Times relative to now: "5 min ago". The exact time stays as title.

const format = new Intl.RelativeTimeFormat(document.documentElement.lang, {
  numeric: 'auto',
  style: 'short',
});
const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
];

export function relative(iso, now = Date.now()) {
  const seconds = (Date.parse(iso) - now) / 1000;
  const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? UNITS[3];
  return format.format(Math.round(seconds / size), unit);
}

export function showRelativeTimes() {
  for (const element of document.querySelectorAll('time[data-relative]')) {
    const text = relative(element.dateTime);
    if (element.textContent !== text) element.textContent = text;
  }
}

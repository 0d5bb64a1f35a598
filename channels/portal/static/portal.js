// Live usage: the page works without this; with it, the card of the day is renewed when reads come in.
const card = document.querySelector('[data-source]');
if (card && 'EventSource' in window) {
  let source = null;
  const listen = () => {
    source = new EventSource(card.dataset.source);
    source.addEventListener('now', (event) => {
      const before = card.querySelector('[data-now]')?.textContent;
      card.innerHTML = JSON.parse(event.data).html;
      const after = card.querySelector('[data-now]')?.textContent;
      if (after === before) return;
      card.classList.remove('fresh');
      requestAnimationFrame(() => card.classList.add('fresh'));
      document.querySelector('#arrived').textContent = after ?? '';
    });
  };
  // a page nobody looks at holds no line open
  const follow = () => {
    if (document.hidden) { source?.close(); source = null; } else if (!source) listen();
  };
  const words = new Intl.RelativeTimeFormat(document.documentElement.lang || 'en', { numeric: 'always' });
  setInterval(() => {
    const told = card.querySelector('[data-ago]');
    const minutes = told ? Math.floor((Date.now() - Date.parse(told.dateTime)) / 60000) : 0;
    if (minutes >= 90) told.textContent = words.format(-Math.round(minutes / 60), 'hour');
    else if (minutes >= 1) told.textContent = words.format(-minutes, 'minute');
  }, 30000);
  document.addEventListener('visibilitychange', follow);
  addEventListener('pagehide', () => { source?.close(); source = null; });
  addEventListener('pageshow', follow); // when it opens, and when it comes back
}

// On the chat's own page: a question to press instead of to type.
for (const button of document.querySelectorAll('[data-say]')) {
  button.addEventListener('click', () => globalThis.WattlineChat?.say(button.dataset.say));
}

// On a phone the sections do not all fit: the one that is open is brought into view.
const here = document.querySelector('nav.main [aria-current]');
if (here) {
  const row = here.closest('ul');
  row.scrollLeft = here.offsetLeft - (row.clientWidth - here.offsetWidth) / 2;
}

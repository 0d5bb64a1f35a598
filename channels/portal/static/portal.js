// Live usage: the page works without this; with it, today's figure moves by itself.
const figure = document.querySelector('[data-live="kwh"][data-source]');
if (figure && 'EventSource' in window) {
  const source = new EventSource(figure.dataset.source);
  source.onmessage = (event) => {
    const told = JSON.parse(event.data);
    if (told.until) figure.textContent = `${told.kwh} kWh`;
  };
  addEventListener('pagehide', () => source.close());
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

"use strict";
/* Small helpers. Everything a person typed is set as text; nothing is ever written as markup. */
const town = { lang: "en", person: null, people: [], view: {}, parts: [] };
const $ = (id) => document.getElementById(id);
const t = (key, values = {}) =>
  Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), WORDS[town.lang][key] ?? key);

function el(tag, given = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

async function api(path, body) {
  const init = body === undefined ? {} : { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await fetch("/api" + path, init);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Error(answer.error || response.status);
  return answer;
}

/* Runs what a button does, tells when it failed, and looks at once at what came of it. */
async function doing(work, button) {
  if (button) button.disabled = true;
  try { return await work(); }
  catch (problem) { toast(t("failed", { x: problem.message })); return null; }
  finally { if (button) button.disabled = false; town.look && town.look(); }
}

let toastTimer;
function toast(text) {
  const node = $("toast");
  node.textContent = text; node.hidden = false;
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => { node.hidden = true; }, 5000);
}

/* Draws a part again only when what it shows has changed, so that focus and scrolling stay where they are. */
const drawn = new Map();
function draw(name, value, work) {
  const mark = town.lang + JSON.stringify(value);
  if (drawn.get(name) === mark) return;
  drawn.set(name, mark);
  work(value);
}

const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString(town.lang, { hour: "2-digit", minute: "2-digit" });
const stamp = (at) => new Date(at).toLocaleString(town.lang, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });

/* Links in a text become links, and nothing else does. */
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]+)/).map((part, place) =>
    place % 2 ? el("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part) : part);
}

/* What the CRM stores as HTML is shown as the text in it. The parsed document is inert: no script, no image is loaded. */
function plain(html) {
  if (!/<[a-z!/]|&[a-z0-9#]+;/i.test(html)) return html;
  const page = new DOMParser().parseFromString(html.replace(/<br\s*\/?>|<\/(p|div|li|h\d)>/gi, "\n"), "text/html");
  return page.body.textContent.replace(/\n{3,}/g, "\n\n").trim();
}

function stick(log, work) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  work();
  if (atEnd) log.scrollTop = log.scrollHeight;
}

"use strict";
/* Puts the page together: who you are, the language, the pulse, and the drawer of failures. */
const ICONS = { sms: "💬", whatsapp: "🟢", voice: "📞", mail: "✉️", web: "🌐" };
const VENDORS = { twilio: "Twilio", sendgrid: "SendGrid", hubspot: "HubSpot", stripe: "Stripe", shop: "Corner Market" };
let mark = "", looking = null;

function say() {
  document.documentElement.lang = town.lang;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-t-label]")) node.setAttribute("aria-label", t(node.dataset.tLabel));
  for (const node of document.querySelectorAll("[data-t-hint]")) node.placeholder = t(node.dataset.tHint);
  for (const node of document.querySelectorAll("[data-lang]")) node.setAttribute("aria-pressed", node.dataset.lang === town.lang);
}

function drawPeople() {
  $("people").replaceChildren(...town.people.map((person, place) => {
    const on = person.key === town.person.key;
    return el("button", { type: "button", role: "radio", "aria-checked": on ? "true" : "false", tabindex: on ? "0" : "-1", class: "person hue" + (place % 6), "data-key": person.key,
      onclick: () => become(person), onkeydown: (event) => {
        const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
        if (!step) return;
        event.preventDefault();
        become(town.people[(place + step + town.people.length) % town.people.length], true);
      } }, el("span", { class: "avatar", "aria-hidden": "true" }, initials(person.name)), el("span", { class: "first" }, person.name), el("span", { class: "tag" }, person.locale.toUpperCase()));
  }));
  const person = town.person;
  $("tale").textContent = person.story[town.lang] || person.story.en;
  $("facts").textContent = `${person.name} · ${person.phone} · ${person.email} · № ${person.account_number} · ${person.plan}`;
  $("openings").replaceChildren(...person.openings.map((opening) =>
    el("button", { type: "button", class: "opening", lang: person.locale, onclick: () => begin(opening) }, el("span", { "aria-hidden": "true" }, ICONS[opening.channel] + " "),
      el("span", { class: "hide" }, opening.channel + ": "), opening.subject || (opening.channel === "voice" && opening.text.length === 1 ? `⌨ ${opening.text}` : opening.text))));
}

/* Another person has another browser: the chat they had must not go on as somebody else's. */
function forgetChat() {
  const key = "wattline.chat:" + new URL(document.body.dataset.hub).origin;
  const had = [localStorage, sessionStorage].some((box) => box.getItem(key) !== null);
  localStorage.removeItem(key); sessionStorage.removeItem(key);
  return had;
}

function become(person, focus) {
  if (person.key !== town.person.key && forgetChat()) {
    sessionStorage.setItem("person", person.key);
    location.reload();
    return;
  }
  town.person = person;
  sessionStorage.setItem("person", person.key);
  openMail = null; openTicket = null; closeWriting();
  $("main").setAttribute("aria-busy", "true"); // what is drawn is still the other person's
  mark = ""; drawPeople(); town.look();
  const chosen = $("people").querySelector("[aria-checked=true]");
  if (focus) chosen.focus();
  chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
}

async function begin(opening) {
  if (opening.channel === "mail") { showPane("mail"); return writeMail(null, opening.text, opening.subject); }
  if (opening.channel === "web") return chat(opening.text);
  showPane("phone");
  if (opening.channel === "voice") {
    showTab("call");
    if (!town.view.call || town.view.call.state === "ended") await doing(() => api("/calls", { from: town.person.phone }));
    $("call-text").value = /^\d$/.test(opening.text) ? "" : opening.text;
    return $("call-text").focus();
  }
  showTab(opening.channel);
  const box = $(opening.channel + "-text");
  box.value = opening.text;
  return box.focus();
}

function chat(text) {
  const widget = window.WattlineChat;
  if (!widget) return toast(t("no_chat"));
  widget.open();
  return text && widget.say(text);
}

function showPane(name) {
  document.body.dataset.pane = name;
  for (const node of document.querySelectorAll("[data-pane]")) if (node !== document.body) node.setAttribute("aria-pressed", node.dataset.pane === name);
}

town.look = () => {
  if (looking) { looking.again = true; return; }
  const turn = (looking = { again: false });
  const key = town.person.key;
  api(`/view?person=${key}&since=${encodeURIComponent(mark)}`).then((view) => {
    if (!view.same && key === town.person.key) { town.view = view; mark = view.mark; redraw(); $("main").removeAttribute("aria-busy"); }
  }).catch(() => {}).finally(() => { looking = null; if (turn.again) town.look(); });
};

function redraw() {
  const view = town.view;
  if (!view.mark) return;
  drawPhone(view); drawMail(view); drawDesk(view);
  $("debits").textContent = t("debits", { n: view.debits });
  draw("paid", view.payments, () => $("paid").replaceChildren(...(view.payments.length ? view.payments.map(drawPayment) : [el("li", {}, t("no_payments"))])));
  draw("at-shop", view.at_shop, () => $("at-shop").replaceChildren(...(view.at_shop.length ? view.at_shop.map((paid) => el("li", {}, el("span", {}, el("b", {}, `${paid.amount} ${paid.currency}`), ` ${paid.reference} · ${paid.transaction_id}`))) : [el("li", {}, t("no_payments"))])));
  draw("hooks", view.webhooks, () => $("hooks").replaceChildren(...view.webhooks.map((hook) =>
    el("li", { class: hook.status >= 200 && hook.status < 300 ? "ok" : "bad" }, el("b", {}, hook.status || "—"), ` ${VENDORS[hook.vendor]} · ${hook.label}`, el("span", {}, `${hook.ms} ms${hook.attempt > 1 ? " · #" + hook.attempt : ""}`)))));
}

/* What the payer's bank can do to a payment: send a debit back, dispute what was paid, and decide. */
function drawPayment(payment) {
  const open = payment.dispute && !["won", "lost"].includes(payment.dispute.status);
  const stands = payment.dispute ? (open ? "disputed" : payment.dispute.status) : ["succeeded", "processing"].includes(payment.status) ? payment.status : "open";
  const sum = new Intl.NumberFormat(town.lang, { style: "currency", currency: payment.currency }).format(payment.amount / 100);
  const button = (label, path) => el("button", { type: "button", "aria-label": `${t(label)}: ${sum}`, onclick: (event) => doing(() => api(path, {}), event.target) }, t(label));
  const how = { card: "by_card", us_bank_account: "by_bank" }[payment.sort] || "by_nobody";
  return el("li", { "data-payment": payment.id }, el("span", {}, el("b", {}, sum), ` ${t(how, { x: payment.last4 })} · ${t("pay_" + stands)}`),
    el("span", {}, stands === "processing" && button("return_it", `/payments/${payment.id}/return`), stands === "succeeded" && button("dispute_it", `/payments/${payment.id}/dispute`),
      open && button("bank_won", `/disputes/${payment.dispute.id}/won`), open && button("bank_lost", `/disputes/${payment.dispute.id}/lost`)));
}

async function drawSwitches() {
  const all = await api("/switches").catch(() => null);
  if (!all) return;
  const set = (vendor, name, value) => doing(() => api("/switches", { [vendor]: { [name]: value } }));
  $("switches").replaceChildren(...Object.entries(all).map(([vendor, values]) => el("fieldset", {}, el("legend", {}, VENDORS[vendor]),
    Object.entries(values).map(([name, value]) => {
      if (name === "down") return el("label", {}, el("span", {}, t(name)), el("select", { onchange: (event) => set(vendor, name, event.target.value) },
        ["off", "503", "reset"].map((choice) => el("option", { value: choice, selected: choice === value }, t(choice === "reset" ? "reset_line" : choice)))));
      if (typeof value === "boolean") return el("label", {}, el("span", {}, t(name)), el("input", { type: "checkbox", checked: value, onchange: (event) => set(vendor, name, event.target.checked) }));
      return el("label", {}, el("span", {}, t(name)), el("input", { type: "number", min: "0", value, onchange: (event) => set(vendor, name, Number(event.target.value)) }));
    }))));
}

function drawer(open) {
  $("drawer").hidden = !open;
  $("open-drawer").setAttribute("aria-expanded", open);
  if (open) { drawSwitches(); $("close-drawer").focus(); } else $("open-drawer").focus();
}

async function start() {
  town.lang = localStorage.getItem("lang") || ((navigator.language || "").startsWith("es") ? "es" : "en");
  say();
  startPhone(); startMail(); startDesk();
  town.people = (await api("/people")).people;
  town.person = town.people.find((person) => person.key === sessionStorage.getItem("person")) || town.people[0];
  drawPeople(); showPane("phone"); town.look();
  for (const node of document.querySelectorAll("[data-lang]")) node.addEventListener("click", () => {
    town.lang = node.dataset.lang; localStorage.setItem("lang", town.lang); say(); drawPeople(); redraw();
    if (!$("drawer").hidden) drawSwitches();
  });
  for (const node of document.querySelectorAll(".dock [data-pane]")) node.addEventListener("click", () => showPane(node.dataset.pane));
  $("open-chat").addEventListener("click", () => chat());
  $("open-drawer").addEventListener("click", () => drawer($("drawer").hidden));
  $("close-drawer").addEventListener("click", () => drawer(false));
  $("drawer").addEventListener("keydown", (event) => { if (event.key === "Escape") drawer(false); });
  $("advance").addEventListener("click", (event) => doing(() => api("/advance-day", {}), event.target));
  $("shop-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = { reference: $("shop-reference").value, amount: $("shop-amount").value };
    if (await doing(() => api("/shop/pay", given), event.submitter)) event.target.reset();
  });
  $("reset").addEventListener("click", (event) => { if (confirm(t("sure"))) doing(() => api("/reset", {}), event.target); });
  const tick = () => { $("clock").textContent = new Date().toLocaleTimeString(town.lang, { hour: "2-digit", minute: "2-digit" }); };
  tick(); setInterval(tick, 15000);
  setInterval(() => { if (!document.hidden) town.look(); }, 1000);
}
start();

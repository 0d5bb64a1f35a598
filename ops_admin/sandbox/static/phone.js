"use strict";
/* The telephone: texts, WhatsApp, and a call whose voice is written down. */
const TICKS = { queued: "🕓", sent: "✓", delivered: "✓✓", read: "✓✓", failed: "⚠", undelivered: "⚠" };
let spoken = 0, spokenCall = null, keys = "";

function bubbles(log, items, empty) {
  stick(log, () => {
    const nodes = [];
    let day = "";
    for (const item of items) {
      const own = new Date(item.at * 1000).toLocaleDateString(town.lang, { weekday: "short", month: "short", day: "numeric" });
      if (own !== day) nodes.push(el("p", { class: "day" }, (day = own)));
      nodes.push(bubble(item));
    }
    if (!nodes.length) nodes.push(el("p", { class: "empty" }, empty));
    log.replaceChildren(...nodes);
  });
}

function bubble(item) {
  const failed = ["failed", "undelivered"].includes(item.status);
  if (!item.mine && failed) return el("p", { class: "note bad" }, `⚠ ${t("st_failed")} (${item.error_code}): ${item.error_message}`);
  const media = item.media.map((file) => el("p", {}, el("a", { href: file.url, target: "_blank", rel: "noopener" }, "📎 " + t("attachment"))));
  const buttons = item.buttons.map((button) =>
    el("button", { type: "button", class: "choice", onclick: (event) => doing(() => api("/phone/whatsapp", { from: town.person.phone, choice: button.id }), event.target) }, button.title));
  const meta = [clock(item.at)];
  if (item.carrier) meta.push(t("carrier"));
  return el("div", { class: "msg" + (item.mine ? " mine" : "") },
    el("div", { class: "bubble" }, el("span", { class: "hide" }, (item.mine ? t("you") : document.body.dataset.house) + ": "), linked(item.text), media,
      el("span", { class: "meta" }, meta.join(" · "), item.mine ? " ✓✓" : "")),
    buttons.length ? el("div", { class: "choices" }, buttons) : null);
}

function drawPhone(view) {
  draw("sms", [view.sms, view.opted_out], () => {
    bubbles($("sms-log"), view.sms.filter((item) => item.shown || item.status === "undelivered"), t("empty_sms"));
    if (view.opted_out) $("sms-log").append(el("p", { class: "note" }, t("opted_out")));
  });
  draw("whatsapp", view.whatsapp, () =>
    bubbles($("whatsapp-log"), view.whatsapp.filter((item) => item.shown || item.status === "undelivered"), t("empty_sms")));
  draw("window", view.window_open, () => { $("window").textContent = t(view.window_open ? "window_open" : "window_closed"); });
  draw("call", view.call, () => drawCall(view.call));
}

function drawCall(call) {
  const live = call && call.state !== "ended";
  $("call-state").textContent = t("call_" + (call ? call.state : "idle"));
  $("hangup").hidden = !live || call.state === "ringing";
  $("dial").hidden = live && call.state !== "ringing";
  $("dial").textContent = t(live && call.state === "ringing" ? "pick_up" : "dial");
  $("silence").hidden = !live || !["gathering", "recording", "paying"].includes(call.state);
  for (const node of [...$("keypad").children, $("call-text")]) node.disabled = !live || call.state === "ringing";
  const items = call ? call.transcript.map((item) => said(item)).filter(Boolean) : [el("p", { class: "empty" }, t("empty_call", { house: document.body.dataset.house }))];
  stick($("call-log"), () => $("call-log").replaceChildren(...items));
  speakNew(call);
}

function said(item) {
  const notes = { silence: "silent", music: "music", beep: "beep", joined: "joined", left: "left", ringing: "ringing", queue: "queue", hangup: "hung", ended: "ended" };
  if (item.how in notes) return el("p", { class: "note" }, t(notes[item.how], { x: item.text }));
  const text = item.how === "keys" ? "⌨ " + t("keys", { x: item.text }) : item.text;
  const who = { line: "line", caller: "you", agent: "agent" }[item.who];
  return el("div", { class: "msg" + (item.who === "caller" ? " mine" : "") + (item.who === "agent" ? " agent" : "") },
    el("div", { class: "bubble" }, el("span", { class: item.who === "agent" ? "name" : "hide" }, t(who) + ": "), text));
}

function speakNew(call) {
  const lines = call ? call.transcript.filter((item) => item.how === "say" && item.who !== "caller") : [];
  if (call && call.call_sid !== spokenCall) { spokenCall = call.call_sid; spoken = Date.now() / 1000 - call.created < 15 ? 0 : lines.length; }
  if ($("aloud").checked && window.speechSynthesis)
    for (const line of lines.slice(spoken)) {
      const words = new SpeechSynthesisUtterance(line.text);
      words.lang = line.language || town.person.locale;
      speechSynthesis.speak(words);
    }
  spoken = lines.length;
}

function showTab(name, focus) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const on = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", on); tab.tabIndex = on ? 0 : -1;
    $("view-" + tab.dataset.tab).hidden = !on;
    if (on && focus) tab.focus();
  }
  const log = $(name + "-log");
  log.scrollTop = log.scrollHeight;
}

function callInput(given) {
  const call = town.view.call;
  if (!call || call.state === "ended") return Promise.resolve(null);
  if (window.speechSynthesis) speechSynthesis.cancel(); // speaking over the line interrupts it
  return doing(() => api(`/calls/${call.call_sid}/input`, given));
}

function startPhone() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  tabs.forEach((tab, place) => {
    tab.addEventListener("click", () => showTab(tab.dataset.tab));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step) showTab(tabs[(place + step + tabs.length) % tabs.length].dataset.tab, true);
    });
  });
  for (const channel of ["sms", "whatsapp"]) {
    const form = $(channel + "-form"), box = $(channel + "-text");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = box.value.trim();
      if (!text) return;
      box.value = "";
      $(channel + "-log").scrollTop = 1e9;
      doing(() => api("/phone/" + channel, { from: town.person.phone, text }));
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); form.requestSubmit(); }
    });
  }
  $("call-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = $("call-text").value.trim();
    if (text) { $("call-text").value = ""; callInput({ speech: text }); }
  });
  let timer;
  for (const key of "123456789*0#")
    $("keypad").append(el("button", { type: "button", onclick: () => {
      const paying = town.view.call && town.view.call.paying; // a card is typed: its digits are shown nowhere
      keys += key; $("dialled").textContent = paying ? "•".repeat(keys.length) : keys;
      clearTimeout(timer);
      const gather = town.view.call && town.view.call.gathering;
      const wanted = paying ? paying.digits : gather && gather.num_digits;
      const full = (wanted && keys.length >= wanted) || key === "#" || (paying && key === "*");
      timer = setTimeout(() => { const digits = keys; keys = ""; $("dialled").textContent = ""; callInput({ digits }); }, full ? 150 : paying ? 4000 : 1800);
    } }, key));
  $("dial").addEventListener("click", (event) => {
    const call = town.view.call;
    if (call && call.state === "ringing") return callInput({ pick_up: true });
    return doing(() => api("/calls", { from: town.person.phone }), event.target);
  });
  $("hangup").addEventListener("click", () => callInput({ hangup: true }));
  $("silence").addEventListener("click", () => callInput({ silence: true }));
  $("aloud").addEventListener("change", () => { if (!$("aloud").checked && window.speechSynthesis) speechSynthesis.cancel(); });
}

/* The chat of a utility's website, in one file, without dependencies.
 *
 *   <script src="https://hub.example/chat/widget.js" data-locale="en" data-accent="#0b6e4f" async></script>
 *
 * Content-Security-Policy of the page: script-src and connect-src (and img-src) the hub's origin. Nothing is evaluated,
 * nothing is written as markup: every word of a message is set as text. Styles are a constructed sheet in a shadow root.
 * API: window.WattlineChat.open(), .close(), .say(text), .setLocale(code).
 */
(() => {
  "use strict";
  if (window.WattlineChat) return;

  const script = document.currentScript;
  const base = new URL(script ? script.src : location.href).origin;
  const options = script ? script.dataset : {};
  const STORE = "wattline.chat:" + base;
  const RTL = /^(ar|fa|he|ur)\b/;
  const MOST = 4000;

  const CSS = `
:host { all: initial; --accent: #0b6e4f; --on-accent: #fff; --bg: #fff; --fg: #17212b; --soft: #eef2f5; --line: #c9d2da;
  --dim: #55626e; --warn: #a4262c;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif; color: var(--fg); }
@media (prefers-color-scheme: dark) { :host { --bg: #1b242d; --fg: #e6ebf0; --soft: #2a3541; --line: #46525e;
  --dim: #a9b6c2; --warn: #ff9a9e; } }
* { box-sizing: border-box; font: inherit; }
button { cursor: pointer; min-height: 44px; min-width: 44px; border-radius: 10px; border: 1px solid var(--line);
  background: var(--bg); color: var(--fg); padding: 6px 14px; }
button:focus-visible, textarea:focus-visible, select:focus-visible, a:focus-visible, .log:focus-visible {
  outline: 3px solid var(--accent); outline-offset: 2px; }
.launcher { position: fixed; inset-block-end: 20px; inset-inline-end: 20px; width: 60px; height: 60px; padding: 0;
  border-radius: 50%; border: 0; background: var(--accent); color: var(--on-accent); z-index: 2147483000;
  box-shadow: 0 4px 14px rgb(0 0 0 / .3); }
.launcher svg { width: 28px; height: 28px; vertical-align: middle; }
.badge { position: absolute; inset-block-start: -4px; inset-inline-end: -4px; min-width: 24px; padding: 0 6px;
  border-radius: 12px; background: #b3261e; color: #fff; font-size: 14px; font-weight: 700; line-height: 24px; }
.panel { position: fixed; inset-block-end: 92px; inset-inline-end: 20px; width: min(400px, calc(100vw - 24px));
  height: min(640px, calc(100vh - 120px)); display: flex; flex-direction: column; background: var(--bg);
  color: var(--fg); border: 1px solid var(--line); border-radius: 14px; overflow: hidden; z-index: 2147483000;
  box-shadow: 0 10px 40px rgb(0 0 0 / .28); }
.launcher[hidden], .panel[hidden], .badge[hidden] { display: none; }
header { display: flex; align-items: center; gap: 8px; padding: 8px 8px 8px 16px; background: var(--accent);
  color: var(--on-accent); }
h2 { flex: 1; margin: 0; font-size: 17px; font-weight: 700; overflow-wrap: anywhere; }
header button, header select { background: transparent; color: inherit; border-color: transparent; min-height: 44px; }
header select { border-radius: 10px; padding: 4px; } header select option { color: #17212b; background: #fff; }
header button:focus-visible, header select:focus-visible { outline-color: var(--on-accent); }
.log { flex: 1; overflow-y: auto; padding: 14px; overscroll-behavior: contain; }
.msg { max-width: 88%; margin: 0 0 12px; width: fit-content; }
.who { font-size: 13px; color: var(--dim); margin: 0 2px 2px; }
.bubble { background: var(--soft); border-radius: 12px; padding: 8px 12px; white-space: pre-wrap;
  overflow-wrap: anywhere; }
.mine { margin-inline-start: auto; }
.mine .bubble { background: var(--accent); color: var(--on-accent); }
.note { text-align: center; color: var(--dim); font-size: 14px; margin: 8px 0 14px; }
.bubble a { color: inherit; text-decoration: underline; font-weight: 600; }
.bubble img { display: block; max-width: 100%; border-radius: 8px; margin-block-start: 6px; }
.failed { color: var(--warn); font-size: 14px; display: flex; gap: 8px; align-items: center; margin-block-start: 4px; }
.choices { display: flex; flex-wrap: wrap; gap: 8px; margin: 8px 0 4px; padding: 0; border: 0; }
.choices button { border-color: var(--accent); border-radius: 22px; text-align: start; }
.status { min-height: 22px; padding: 0 16px; font-size: 14px; color: var(--dim); }
.alert { padding: 0 16px; font-size: 14px; color: var(--warn); }
form { display: flex; gap: 8px; padding: 8px; border-block-start: 1px solid var(--line); align-items: end; }
textarea { flex: 1; min-width: 0; min-height: 44px; max-height: 120px; resize: none; padding: 9px 12px;
  border: 1px solid var(--dim); border-radius: 10px; background: var(--bg); color: var(--fg); }
form button { background: var(--accent); color: var(--on-accent); border-color: var(--accent); }
.dots::after { content: "…"; animation: beat 1.2s steps(3) infinite; }
@keyframes beat { 0% { opacity: .2; } 100% { opacity: 1; } }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 480px), (max-height: 480px) { .panel { inset: 0; width: 100%; height: 100%; border-radius: 0;
  border: 0; } }
@media (prefers-reduced-motion: reduce) { * { animation: none !important; scroll-behavior: auto !important; } }
@media (forced-colors: active) { .bubble, .launcher { border: 1px solid; } }
`;

  /* a page that is all chat: the panel takes the room beside the words (data-size="large") */
  const LARGE = `
@media (min-width: 900px) { .panel { inset-block: 96px 32px; inset-inline-start: calc(max(48px, 50vw - 512px) + 420px);
  inset-inline-end: max(100px, 50vw - 512px); width: auto; height: auto; } .log { padding: 24px; } .msg { max-width: 72%; } }
`;

  const make = (tag, attributes = {}, ...children) => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === true) node.setAttribute(name, "");
      else if (value !== false && value != null) node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  };

  const icon = () => {
    const ns = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(ns, "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(ns, "path");
    path.setAttribute("fill", "currentColor");
    path.setAttribute("d", "M4 3h16a2 2 0 0 1 2 2v11a2 2 0 0 1-2 2H9l-5 4v-4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z");
    svg.append(path);
    return svg;
  };

  const remember = (value) => { try { localStorage.setItem(STORE, JSON.stringify(value)); } catch { /* private mode */ } };
  const recall = () => { try { return JSON.parse(localStorage.getItem(STORE)) || {}; } catch { return {}; } };
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const newId = () => {
    const octets = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join("");
  };

  /* only a plain colour may come in from the page, and the words on it must be readable */
  const accentOf = (text) => {
    if (!/^#[0-9a-f]{6}$/i.test(text || "")) return null;
    const [r, g, b] = [1, 3, 5].map((at) => {
      const part = parseInt(text.slice(at, at + 2), 16) / 255;
      return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    const light = 0.2126 * r + 0.7152 * g + 0.0722 * b;
    return { accent: text, on: 1.05 / (light + 0.05) >= 4.5 ? "#ffffff" : "#101418" };
  };

  class WattlineChat extends HTMLElement {
    constructor() {
      super();
      this.root = this.attachShadow({ mode: "open" });
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(options.size === "large" ? CSS + LARGE : CSS);
      const accent = accentOf(options.accent);
      if (accent) {
        const own = new CSSStyleSheet();
        own.replaceSync(`:host { --accent: ${accent.accent}; --on-accent: ${accent.on}; }`);
        this.root.adoptedStyleSheets = [sheet, own];
      } else this.root.adoptedStyleSheets = [sheet];
      this.saved = recall();
      this.locale = this.saved.locale || options.locale || document.documentElement.lang || navigator.language || "en";
      this.strings = {};
      this.links = [base];
      this.cursor = "";
      this.conversation = "";
      this.nodes = new Map(); // message id or client id -> element
      this.unread = 0;
      this.floor = "bot";
      this.historyDone = false;
      this.build();
    }

    build() {
      // it has a name from the first moment; the words of the visitor's language come with the session
      this.launcher = make("button", { class: "launcher", type: "button", "aria-label": "Chat", "aria-expanded": "false", "aria-controls": "p" }, icon());
      this.badge = make("span", { class: "badge", hidden: true });
      this.launcher.append(this.badge);
      this.heading = make("h2", { id: "t" });
      this.picker = make("select", {});
      this.save = make("button", { type: "button" }, "⤓");
      this.closer = make("button", { type: "button" }, "✕");
      this.log = make("div", { class: "log", role: "log", "aria-live": "off", "aria-relevant": "additions", tabindex: "0", "aria-labelledby": "t" });
      this.status = make("div", { class: "status", role: "status" });
      this.alert = make("div", { class: "alert", role: "alert" });
      this.input = make("textarea", { rows: "1", maxlength: String(MOST), enterkeyhint: "send", dir: "auto", autocomplete: "off" });
      this.sender = make("button", { type: "submit" });
      this.form = make("form", {}, this.input, this.sender);
      this.panel = make("section", { class: "panel", id: "p", role: "dialog", "aria-labelledby": "t", hidden: true },
        make("header", {}, this.heading, this.picker, this.save, this.closer), this.log, this.status, this.alert, this.form);
      this.root.append(this.launcher, this.panel);

      this.launcher.addEventListener("click", () => (this.panel.hidden ? this.open() : this.close()));
      this.closer.addEventListener("click", () => this.close());
      this.panel.addEventListener("keydown", (event) => {
        if (event.key === "Escape") { event.stopPropagation(); this.close(); }
      });
      this.form.addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
      this.input.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); this.submit(); }
      });
      this.picker.addEventListener("change", () => this.setLocale(this.picker.value));
      this.save.addEventListener("click", () => this.download());
    }

    async connectedCallback() {
      if (this.saved.token) this.begin(); // a talk that is under way shows its unread count
      else await this.session().catch(() => {});
    }

    /* --- the session ------------------------------------------------------------------------------------------- */

    async call(path, init = {}) {
      const headers = { ...(init.body ? { "Content-Type": "application/json" } : {}), ...(init.headers || {}) };
      if (this.token) headers.Authorization = "Bearer " + this.token;
      return fetch(base + path, { ...init, headers, credentials: "same-origin", cache: "no-store" });
    }

    /* One at a time, whoever asks: two sessions would be two visitors, of whom one writes and the other listens. */
    session() {
      this.opening ??= this.openSession().finally(() => { this.opening = null; });
      return this.opening;
    }

    /* A token that was refused is forgotten, unless another has taken its place meanwhile. */
    forget(token) { if (this.token === token) this.token = ""; }

    async openSession() {
      const response = await this.call("/chat/sessions", {
        method: "POST", body: JSON.stringify({ token: this.token || this.saved.token, locale: this.locale }),
      });
      if (!response.ok) throw new Error("session");
      const opened = await response.json();
      this.token = opened.token;
      this.links = opened.links;
      this.fresh = this.saved.token !== opened.token;
      this.dress(opened.locale, opened.strings, opened.locales);
    }

    keep() {
      this.saved = { token: this.token, locale: this.locale };
      remember(this.saved);
    }

    dress(locale, strings, locales) {
      this.locale = locale;
      this.strings = strings;
      this.panel.lang = this.launcher.lang = locale;
      this.panel.dir = RTL.test(locale) ? "rtl" : "ltr";
      this.heading.textContent = strings.title;
      this.closer.setAttribute("aria-label", strings.close);
      this.save.setAttribute("aria-label", strings.transcript);
      this.save.title = strings.transcript;
      this.picker.setAttribute("aria-label", strings.language);
      this.input.setAttribute("aria-label", strings.placeholder);
      this.input.placeholder = strings.placeholder;
      this.sender.textContent = strings.send;
      if (locales) {
        this.picker.replaceChildren(...locales.map((code) => make("option", { value: code, lang: code }, code.toUpperCase())));
        this.picker.hidden = locales.length < 2;
      }
      this.picker.value = locale;
      this.count(0);
      this.greet();
    }

    greet() {
      if (!this.strings.greeting) return;
      if (!this.greeting) {
        this.greeting = this.element({ from: "assistant", text: "", locale: this.locale, choices: [], attachments: [] });
        this.log.prepend(this.greeting);
      }
      this.greeting.lang = this.locale;
      this.greeting.querySelector(".who").textContent = this.strings.assistant;
      this.greeting.querySelector(".bubble").textContent = this.strings.greeting;
    }

    async setLocale(locale) {
      this.locale = locale;
      try {
        const response = await this.call("/chat/locale", { method: "POST", body: JSON.stringify({ locale }) });
        if (response.ok) {
          const answer = await response.json();
          this.dress(answer.locale, answer.strings);
          if (this.saved.token) this.keep();
        }
      } catch { this.say(this.alert, this.strings.offline); }
    }

    /* --- open and close ---------------------------------------------------------------------------------------- */

    async open() {
      this.panel.hidden = false;
      this.launcher.setAttribute("aria-expanded", "true");
      this.count(-this.unread);
      this.input.focus();
      this.scroll();
      this.begin();
    }

    close() {
      this.panel.hidden = true;
      this.launcher.setAttribute("aria-expanded", "false");
      this.launcher.focus();
    }

    count(by) {
      this.unread = Math.max(0, this.unread + by);
      this.badge.hidden = this.unread === 0;
      this.badge.textContent = String(this.unread);
      const name = this.panel.hidden ? this.strings.open : this.strings.close;
      this.launcher.setAttribute("aria-label", this.unread ? `${name} (${this.unread} ${this.strings.new_messages})` : name || "Chat");
    }

    begin() {
      if (!this.running) { this.running = true; this.listen(); }
    }

    /* --- what comes in: one stream that resumes where it broke off ------------------------------------------------ */

    async listen() {
      for (let failures = 0; this.isConnected; ) {
        try {
          if (!this.token || !this.strings.title) await this.session();
          const token = this.token;
          const response = await this.call("/chat/events", {
            headers: { Accept: "text/event-stream", ...(this.cursor ? { "Last-Event-ID": this.cursor } : {}) },
          });
          if (response.status === 403) { this.forget(token); throw new Error("session"); }
          if (!response.ok || !response.body) throw new Error("stream");
          this.say(this.status, this.awaiting ? this.strings.typing : "", Boolean(this.awaiting));
          await this.read(response.body.getReader(), () => { failures = 0; });
        } catch {
          failures += 1;
          if (failures > 1) this.say(this.status, this.strings.offline || "");
        }
        await pause(Math.min(15000, 500 * 2 ** Math.min(failures, 5)) * (0.7 + Math.random() * 0.6));
      }
      this.running = false;
    }

    async read(reader, alive) {
      const decoder = new TextDecoder();
      let rest = "";
      for (;;) {
        let timer;
        const late = new Promise((_, fail) => { timer = setTimeout(() => fail(new Error("silent")), 40000); });
        const { done, value } = await Promise.race([reader.read(), late]).finally(() => clearTimeout(timer));
        if (done) return;
        alive();
        rest += decoder.decode(value, { stream: true });
        const events = rest.split("\n\n");
        rest = events.pop();
        for (const text of events) this.event(text);
      }
    }

    event(text) {
      let name = "message", data = "", id = "";
      for (const line of text.split("\n")) {
        if (line.startsWith("data: ")) data += line.slice(6);
        else if (line.startsWith("event: ")) name = line.slice(7);
        else if (line.startsWith("id: ")) id = line.slice(4);
      }
      if (!data) return;
      const body = JSON.parse(data);
      if (name === "message") { this.show(body); this.cursor = id || body.id; }
      else if (name === "status") this.turn(body);
    }

    turn(status) {
      const before = this.floor;
      this.floor = status.floor;
      if (status.locale && status.locale !== this.locale && !this.picker.matches(":focus")) {
        this.locale = status.locale; // the hub heard another language: the widget's own words follow
        this.session().catch(() => {});
      }
      // everything of the past is shown by the time the log becomes live: only what is new is read out
      if (!this.historyDone) {
        setTimeout(() => { this.historyDone = true; this.log.setAttribute("aria-live", "polite"); }, 800);
        if (before === this.floor) return;
      }
      if (before === this.floor) return;
      const word = { waiting: "waiting", staff: "joined", bot: "left" }[this.floor];
      if (word && !(before === "waiting" && this.floor === "bot")) this.note(this.strings[word]);
    }

    show(message) {
      const conversation = message.id.split("-")[0];
      if (this.conversation && this.conversation !== conversation) this.nodes.clear();
      this.conversation = conversation;
      const old = this.nodes.get(message.id) || (message.client_id && this.nodes.get(message.client_id));
      const mine = message.from === "customer";
      if (old) {
        this.nodes.set(message.id, old);
        if (mine) { this.fill(old.querySelector(".bubble"), message); old.querySelector(".failed")?.remove(); }
        return;
      }
      const node = this.element(message);
      this.nodes.set(message.id, node);
      if (message.client_id) this.nodes.set(message.client_id, node);
      this.retire();
      this.log.append(node);
      if (mine) this.await();
      else {
        this.settle();
        if (message.choices.length) this.offer(node, message.choices);
        if (this.panel.hidden && this.historyDone) this.count(1);
      }
      this.scroll();
      this.keep();
    }

    element(message) {
      const mine = message.from === "customer";
      const name = mine ? this.strings.you : message.name || (message.from === "staff" ? this.strings.staff : this.strings.assistant);
      const when = message.at ? new Date(message.at).toLocaleTimeString(this.locale, { hour: "2-digit", minute: "2-digit" }) : "";
      const bubble = make("div", { class: "bubble", dir: "auto" });
      this.fill(bubble, message);
      return make("div", { class: mine ? "msg mine" : "msg", lang: message.locale },
        make("div", { class: "who" }, [name, when].filter(Boolean).join(" · ")), bubble);
    }

    /* words are set as text; only addresses of our own become links */
    fill(bubble, message) {
      bubble.replaceChildren();
      for (const part of (message.text || "").split(/(https?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]])/)) {
        const url = this.own(part);
        bubble.append(url ? make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, part) : part);
      }
      for (const attached of message.attachments || []) {
        const url = this.own(attached.url, true);
        if (!url) continue;
        if (attached.kind === "image") bubble.append(make("img", { src: url, alt: attached.name || "", loading: "lazy" }));
        else bubble.append(make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, attached.name || url));
      }
    }

    own(text, relative = false) {
      if (!relative && !/^https?:\/\//.test(text)) return null;
      try {
        const url = new URL(text, base);
        const known = this.links.some((link) => new URL(link).origin === url.origin);
        return known && /^https?:$/.test(url.protocol) && !url.username ? url.href : null;
      } catch { return null; }
    }

    note(text) {
      if (!text) return;
      this.log.append(make("div", { class: "note", lang: this.locale }, text));
      this.scroll();
    }

    offer(node, choices) {
      const group = make("div", { class: "choices", role: "group", "aria-label": this.strings.choices });
      for (const choice of choices) {
        const button = make("button", { type: "button", dir: "auto" }, choice.label);
        button.addEventListener("click", () => { this.input.focus(); this.post(choice.label, choice.token); });
        group.append(button);
      }
      this.offered = group;
      node.append(group);
    }

    retire() { this.offered?.remove(); this.offered = null; }

    scroll() { this.log.scrollTop = this.log.scrollHeight; }

    say(region, text, dots = false) {
      if (region.textContent !== text) region.textContent = text;
      region.classList.toggle("dots", dots);
    }

    await() {
      if (this.floor !== "bot") return;
      clearTimeout(this.awaiting);
      this.awaiting = setTimeout(() => this.settle(), 20000);
      setTimeout(() => { if (this.awaiting) this.say(this.status, this.strings.typing, true); }, 400);
    }

    settle() { clearTimeout(this.awaiting); this.awaiting = null; this.say(this.status, ""); }

    /* --- what goes out: shown at once, sent under an id of its own, so that sending twice is sending once ----------- */

    submit() {
      const text = this.input.value.trim();
      this.say(this.alert, "");
      if (!text) return;
      if (text.length > MOST) { this.say(this.alert, this.strings.too_long); return; }
      this.input.value = "";
      this.post(text, null);
    }

    async post(text, choice) {
      this.begin();
      this.retire();
      const client = newId();
      const node = this.element({ from: "customer", text, locale: this.locale, at: new Date().toISOString() });
      this.nodes.set(client, node);
      this.log.append(node);
      this.scroll();
      this.await();
      await this.deliver(client, node, choice ? { choice, text } : { text });
    }

    async deliver(client, node, words) {
      node.querySelector(".failed")?.remove();
      for (let tries = 0; tries < 4; tries += 1) {
        try {
          if (!this.token) await this.session();
          const token = this.token;
          const response = await this.call("/chat/messages", {
            method: "POST", body: JSON.stringify({ ...words, client_id: client, locale: this.locale }),
          });
          if (response.ok) {
            const taken = await response.json();
            this.nodes.set(taken.id, node);
            this.fill(node.querySelector(".bubble"), { text: taken.text || words.text });
            this.keep();
            return;
          }
          if (response.status === 403) this.forget(token);
          else if (response.status === 429) {
            this.say(this.alert, this.strings.slow_down);
            await pause(1000 * Number(response.headers.get("Retry-After") || 2));
            this.say(this.alert, "");
            continue;
          } else if (response.status < 500) break;
        } catch { /* no connection: try again */ }
        await pause(700 * 2 ** tries);
      }
      this.settle();
      const again = make("button", { type: "button" }, this.strings.retry || "↻");
      again.addEventListener("click", () => { this.input.focus(); this.await(); this.deliver(client, node, words); });
      node.append(make("div", { class: "failed" }, this.strings.not_sent || "!", again));
      this.say(this.alert, this.strings.not_sent || "");
    }

    async download() {
      try {
        const response = await this.call("/chat/transcript");
        if (!response.ok) return;
        const url = URL.createObjectURL(await response.blob());
        const link = make("a", { href: url, download: "conversation.txt" });
        link.click();
        setTimeout(() => URL.revokeObjectURL(url), 1000);
      } catch { this.say(this.alert, this.strings.offline); }
    }
  }

  customElements.define("wattline-chat", WattlineChat);
  const mount = () => {
    const chat = document.createElement("wattline-chat");
    document.body.append(chat);
    window.WattlineChat = {
      open: () => chat.open(),
      close: () => chat.close(),
      say: (text) => { chat.open(); chat.post(String(text).slice(0, MOST), null); },
      setLocale: (code) => chat.setLocale(code),
    };
    if (options.open !== undefined) chat.open();
  };
  if (document.body) mount();
  else document.addEventListener("DOMContentLoaded", mount);
})();

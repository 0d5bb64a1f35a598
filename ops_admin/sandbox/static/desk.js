"use strict";
/* The CRM as an agent sees it: tickets by stage, one ticket, its customer, its timeline, and the answer. */
const STAGES = ["Waiting for agent", "With agent", "Waiting on customer", "New", "Returned to assistant", "Closed"];
let openTicket = null, ticketMark = "";

function drawDesk(view) {
  const only = $("only-mine").checked;
  const mine = (item) => item.contact && (item.contact.email === town.person.email || item.contact.phone === town.person.phone);
  const shown = view.tickets.filter((item) => !only || mine(item));
  if (!view.tickets.some((item) => item.id === openTicket)) openTicket = null;
  const first = shown.find((item) => item.stage_label === "Waiting for agent") || shown[0];
  if (!openTicket && first) openTicket = first.id;
  draw("tickets", [shown.map((item) => [item.id, item.stage, item.updated]), openTicket], () => {
    const groups = STAGES.map((stage) => [stage, shown.filter((item) => item.stage_label === stage)]).filter(([, items]) => items.length);
    $("tickets").replaceChildren(...(groups.length ? groups.map(([stage, items]) => group(stage, items)) : [el("p", { class: "empty" }, t("nothing"))]));
  });
  const found = view.tickets.find((item) => item.id === openTicket);
  const mark = found ? view.mark : "";
  if (mark !== ticketMark || town.lang !== drawDesk.lang) { ticketMark = mark; drawDesk.lang = town.lang; loadTicket(found); }
}

function group(stage, items) {
  return el("section", { class: "group" }, el("h3", {}, el("span", { class: "pill " + slug(stage) }, t(stage)), ` ${items.length}`),
    el("ul", {}, items.map((item) => el("li", {}, el("button", { type: "button", class: item.id === openTicket ? "on" : "", "aria-current": item.id === openTicket ? "true" : null, onclick: () => { openTicket = item.id; ticketMark = ""; drawDesk(town.view); } },
      el("b", {}, item.contact ? item.contact.name : "—"), el("span", {}, item.subject), el("time", {}, stamp(item.updated)))))));
}

const slug = (stage) => stage.toLowerCase().replace(/ /g, "-");

async function loadTicket(found) {
  if (!found) { drawn.delete("ticket"); return $("ticket").replaceChildren(el("p", { class: "empty" }, t("no_ticket"))); }
  const item = await api("/crm/tickets/" + found.id).catch(() => null);
  if (!item || item.id !== openTicket) return null;
  if (item.contact) {
    const whole = await api(`/crm/contacts/${item.contact.id}/timeline`).catch(() => null);
    const known = new Set(item.timeline.map((one) => one.id));
    if (whole) item.timeline = [...item.timeline, ...whole.timeline.filter((one) => !known.has(one.id))];
  }
  item.timeline.push(...item.replies.map((one, place) => ({ id: "r" + place, kind: "answer", at: new Date(one.at * 1000).toISOString(), body: one.text, who: one.agent })));
  item.timeline.sort((a, b) => (a.at < b.at ? -1 : 1));
  return draw("ticket", item, drawTicket);
}

function drawTicket(item) {
  const old = $("answer"), draft = old && old.dataset.ticket === item.id ? old.value : "", had = old && document.activeElement === old;
  const act = (what) => (event) => doing(() => api(`/crm/tickets/${item.id}/${what}`, {}), event.target);
  const can = (label) => !item.closed && item.stage_label !== label;
  const person = item.contact;
  const box = el("textarea", { id: "answer", rows: "3", "data-ticket": item.id, "aria-label": t("answer"), placeholder: t("answer") });
  box.value = draft;
  const send = el("form", { class: "answer", onsubmit: (event) => {
    event.preventDefault();
    const text = box.value.trim();
    if (!text) return;
    box.value = "";
    doing(() => api(`/crm/tickets/${item.id}/reply`, { text, agent: 0 }));
  } }, box, el("button", { class: "go" }, t("answer_send")));
  const log = el("ol", { class: "timeline", tabindex: "0", "aria-label": t("timeline") }, item.timeline.map(entry));
  if (!item.timeline.length) log.append(el("li", { class: "empty" }, t("nothing")));
  const actions = el("div", { class: "row" },
    el("button", { type: "button", class: "go", disabled: !can("With agent"), onclick: act("accept") }, t("accept")),
    el("button", { type: "button", disabled: !can("Waiting on customer"), onclick: act("wait") }, t("wait")),
    el("button", { type: "button", disabled: item.closed, onclick: act("return") }, t("give_back")),
    el("button", { type: "button", disabled: item.closed, onclick: act("close") }, t("close_ticket")));
  $("ticket").replaceChildren(
    el("div", { class: "head" }, el("h3", {}, item.subject), el("span", { class: "pill " + slug(item.stage_label) }, t(item.stage_label))),
    el("div", { class: "contact" }, el("span", { class: "avatar", "aria-hidden": "true" }, initials(person ? person.name : "?")),
      el("div", {}, el("b", {}, person ? person.name : "—"), el("span", {}, person ? [person.phone, person.email].filter(Boolean).join(" · ") : ""),
        el("span", {}, `${t("owner")}: ${item.owner || t("nobody")}`))),
    actions, item.content ? el("p", { class: "content" }, plain(item.content)) : "", log, item.closed ? "" : send);
  log.scrollTop = log.scrollHeight;
  if (had && !item.closed) box.focus();
}

function entry(item) {
  const kind = item.kind === "answer" ? `${t("agent")} · ${item.who}` : [t("k_" + item.kind), item.channel].filter(Boolean).join(" · ");
  return el("li", { class: "k-" + item.kind }, el("p", { class: "facts" }, el("b", {}, kind), el("time", {}, stamp(item.at))),
    item.title ? el("p", { class: "title" }, item.title) : null, el("p", { class: "body" }, plain(item.body || "")));
}

const initials = (name) => name.split(/\s+/).slice(0, 2).map((part) => part[0] || "").join("").toUpperCase();

function startDesk() { $("only-mine").addEventListener("change", () => drawDesk(town.view)); }

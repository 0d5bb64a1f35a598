"use strict";
/* The mail program: a list, a letter, and a form to write or answer. */
let openMail = null, answering = null;

function drawMail(view) {
  $("address").textContent = town.person.email;
  draw("mail", [view.mail.map((item) => [item.id, item.read]), openMail], () => {
    const items = [...view.mail].reverse();
    $("inbox").replaceChildren(...(items.length ? items.map(mailRow) : [el("li", { class: "empty" }, t("empty_mail"))]));
  });
  const found = view.mail.find((item) => item.id === openMail);
  draw("letter", found ? [found.id] : null, () => drawLetter(found));
}

function mailRow(item) {
  const sent = item.folder === "sent";
  const who = sent ? `${t("to")}: ${item.to}` : item.from_name || item.from;
  return el("li", {}, el("button", {
    type: "button", class: (item.read ? "" : "unread ") + (item.id === openMail ? "on" : ""), "aria-current": item.id === openMail ? "true" : null,
    onclick: () => showMail(item),
  }, el("span", { class: "dot", "aria-hidden": "true" }), el("span", { class: "from" }, who, item.read ? null : el("span", { class: "hide" }, ` (${t("unread")})`)),
  el("time", {}, clock(item.at)), el("span", { class: "subject" }, (sent ? "↗ " : "") + item.subject), el("span", { class: "preview" }, item.text.slice(0, 90))));
}

function showMail(item) {
  openMail = item.id; closeWriting();
  if (!item.read) doing(() => api(`/mail/${item.id}/read`, {}));
  drawMail(town.view);
}

function drawLetter(item) {
  const box = $("letter");
  box.hidden = !item;
  if (!item) return box.replaceChildren();
  const files = item.attachments.map((file) => file.content_base64
    ? el("a", { class: "file", download: file.name, href: `data:${/^[\w.+-]+\/[\w.+-]+$/.test(file.content_type) ? file.content_type : "application/octet-stream"};base64,${file.content_base64}` }, "📎 " + file.name)
    : el("span", { class: "file" }, "📎 " + file.name));
  const body = item.html
    ? el("iframe", { sandbox: "allow-popups allow-popups-to-escape-sandbox", src: `/mail/${item.id}/page`, title: `${t("mail_frame")}: ${item.subject}` })
    : el("pre", {}, linked(item.text));
  box.replaceChildren(
    el("h3", {}, item.subject),
    el("p", { class: "facts" }, `${t("from")}: ${item.from_name ? item.from_name + " · " : ""}${item.from}`, el("br"), `${t("to")}: ${item.to} · ${stamp(item.at * 1000)}`),
    body, files.length ? el("p", {}, files) : "",
    item.folder === "inbox" ? el("div", { class: "row" },
      el("button", { type: "button", class: "go", onclick: () => writeMail(item) }, "↩ " + t("reply")),
      item.can_unsubscribe ? el("button", { type: "button", class: "ghost", onclick: (event) => doing(async () => {
        const answer = await api(`/mail/${item.id}/unsubscribe`, {});
        toast(answer.status && answer.status < 300 ? t("unsubscribed") : t("failed", { x: answer.status }));
      }, event.target) }, t("unsubscribe")) : null) : "");
}

function writeMail(item, text = "", subject = "") {
  answering = item;
  $("write").hidden = false;
  $("write-to").textContent = `${t("to")}: ${item ? item.from : document.body.dataset.care}`;
  $("mail-subject").value = item ? (/^re:/i.test(item.subject) ? item.subject : "Re: " + item.subject) : subject;
  $("mail-text").value = text;
  $("quoted").textContent = item ? "▍ " + t("quote_note") : "";
  if (!item) { openMail = null; drawMail(town.view); }
  $("mail-text").focus();
}

function closeWriting() { $("write").hidden = true; answering = null; }

function startMail() {
  $("new-mail").addEventListener("click", () => writeMail(null));
  $("discard").addEventListener("click", closeWriting);
  $("write").addEventListener("submit", (event) => {
    event.preventDefault();
    const body = { from: town.person.email, name: town.person.name, subject: $("mail-subject").value, text: $("mail-text").value };
    if (answering) body.in_reply_to = answering.id;
    closeWriting();
    doing(() => api("/mail", body));
  });
}

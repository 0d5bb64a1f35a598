"use strict";
for (const line of document.querySelectorAll(".fill")) {
  line.hidden = false;
  line.addEventListener("click", (event) => {
    const { number, account, iban } = event.target.dataset;
    const form = line.closest("form");
    const fill = (name, value) => { if (form.elements[name]) form.elements[name].value = value; };
    if (number) { fill("number", number); fill("expiry", "12 / 34"); fill("cvc", "123"); }
    if (account) { fill("routing", "110000000"); fill("account", account); }
    if (iban) fill("iban", iban);
    if ((number || account || iban) && !form.elements.name.value) fill("name", "Demo Customer");
  });
}

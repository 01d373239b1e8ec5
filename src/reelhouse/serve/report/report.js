"use strict";
const charts = JSON.parse(document.getElementById("charts").textContent);
const drawn = Object.entries(charts).map(([name, spec]) =>
  vegaEmbed(`#chart-${name}`, spec, { actions: false, renderer: "svg", mode: "vega-lite" }).then(() => {
    // The place of a chart says what it shows, and the table behind it has its rows.
    document.querySelector(`#chart-${name} svg`).setAttribute("aria-hidden", "true");
  }).catch((error) => {
    document.getElementById(`chart-${name}`).textContent = `This chart cannot be drawn: ${error.message}`;
    console.error(name, error);
  }),
);
Promise.all(drawn).then(() => { document.documentElement.dataset.drawn = "yes"; });
for (const button of document.querySelectorAll("button.copy")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = button.parentElement.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      // A browser without a clipboard for files: the text is selected, ready to be copied by hand.
      getSelection().selectAllChildren(code);
      button.textContent = "Selected: copy it with the keyboard";
      return;
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy SQL"; }, 2000);
  });
}

// The one script of the pages. Every page is whole without it: it keeps a round's page up to date, offers to copy
// a command, and puts the focus on what is wrong. It makes no markup: only texts and elements.
"use strict";

// How often a round is looked at, in ms: soon at first, then ever less.
const SOONEST = 2000;
const SELDOM = 30000;
// A page that was left open asks no more after so many looks: about four hours.
const LOOKS_MAX = 500;

function follow(region) {
  const address = region.dataset.poll;
  let pause = SOONEST;
  let looks = 0;
  let last = "";

  function show(state) {
    for (const place of document.querySelectorAll("[data-live]")) {
      const value = state[place.dataset.live];
      const text = Array.isArray(value) ? String(value.length) : String(value ?? "");
      if (place.textContent !== text) place.textContent = text;
    }
    for (const place of document.querySelectorAll("[data-when]")) {
      place.hidden = !state[place.dataset.when];
    }
  }

  async function look() {
    if (document.hidden) return void setTimeout(look, pause);
    looks += 1;
    try {
      const answer = await fetch(address, { credentials: "same-origin", redirect: "error" });
      if (!answer.ok) return;
      const state = await answer.json();
      show(state);
      if (state.over) return;
      const now = JSON.stringify(state);
      pause = now === last ? Math.min(pause * 1.5, SELDOM) : SOONEST;
      last = now;
    } catch {
      // The node ended, or we are signed out: the link to look again still works.
      return;
    }
    if (looks < LOOKS_MAX) setTimeout(look, pause);
  }

  setTimeout(look, pause);
}

function offerCopy(block) {
  if (!navigator.clipboard) return;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "plain copy";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy: " + block.textContent.trim().split("\n")[0]);
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(block.textContent.trim());
    button.removeAttribute("aria-label");
    button.textContent = "Copied";
  });
  block.after(button);
}

document.querySelectorAll("[data-poll]").forEach(follow);
document.querySelectorAll("pre[data-copy]").forEach(offerCopy);
document.querySelector(".error[autofocus]")?.focus();

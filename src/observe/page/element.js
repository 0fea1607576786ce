// Elements out of data. All text becomes a text node, and no attribute holds code: data cannot be markup.

/** An element with a class, and children: elements, or anything else as text. */
export function make(tag, kind, ...children) {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  element.append(...children.map((child) => (child instanceof Node ? child : document.createTextNode(String(child)))));
  return element;
}

/** The element with this id. */
export const by = (id) => document.getElementById(id);

/** Replaces what is in `element`. */
export function fill(element, ...children) {
  element.replaceChildren(...children);
}

/** Sets the text of `element` if it differs, so that screen readers are told of changes only. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A whole number with separators. */
export const number = (value) => Math.round(value).toLocaleString("en-US");

/** "1 name", "2 names". */
export const count = (value, word) => `${number(value)} ${word}${value === 1 ? "" : "s"}`;

/** Seconds in the largest unit that suits. */
export function age(seconds) {
  if (seconds === null || seconds === undefined) return "never";
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= size * 2) return `${Math.floor(seconds / size)} ${unit}`;
  }
  return `${Math.floor(seconds)} s`;
}

/** The JSON of a route; an error has the text that the server gave. */
export async function read(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== ""));
  const reply = await fetch(`${path}?${query}`, { signal, cache: "no-store" });
  if (!reply.ok) throw new Error((await reply.text()).trim() || `HTTP ${reply.status}`);
  return reply.headers.get("content-type").includes("json") ? reply.json() : reply.text();
}

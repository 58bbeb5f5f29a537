// What a value may hold that nobody sees: it is shown, and asked about before it is stored.

const INVISIBLE =
  /[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2064\u206a-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\u{e0000}-\u{e007f}]/u;
const DIRECTION = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/u; // eslint-disable-line no-control-regex
const SPACE = /[\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/u;
const MOST = 5;

/** Words for each kind of thing in a text that can't be seen. */
export function unseenIn(text) {
  const found = [];
  const ends = /[\r\n]+$/.exec(text)?.[0].replaceAll("\r\n", "\n").length ?? 0;
  if (ends > 0) found.push(ends === 1 ? "a line break at its end" : `${ends} line breaks at its end`);
  if (/^[ \t]|[ \t][\r\n]*$/.test(text)) found.push("a space at its beginning or end");
  for (const [kind, words] of [
    [INVISIBLE, "invisible"],
    [DIRECTION, "changes the direction of text"],
    [CONTROL, "a control character"],
    [SPACE, "looks like a space"],
  ]) {
    const places = [...text].flatMap((character, index) => (kind.test(character) ? [[character, index]] : []));
    if (places.length === 0) continue;
    const shown = places
      .slice(0, MOST)
      .map(([character, index]) => `${codeOf(character)} as character ${index + 1}`)
      .join(", ");
    found.push(`${shown}${places.length > MOST ? ` and ${places.length - MOST} more` : ""} (${words})`);
  }
  return found;
}

/** Whether it has to be asked about: the last line of a text with several ends like the others. */
export function asksAbout(text, found) {
  const isText = /[\r\n]/.test(text.replace(/[\r\n]+$/, ""));
  return found.length > (isText && /[^\r\n]\r?\n$/.test(text) ? 1 : 0);
}

/** The text without what `unseenIn` finds. */
export function without(text) {
  return [...text.replace(/^[ \t]+|[ \t]*[\r\n]+$|[ \t]+$/g, "")]
    .filter((character) => ![INVISIBLE, DIRECTION, CONTROL].some((kind) => kind.test(character)))
    .map((character) => (SPACE.test(character) ? " " : character))
    .join("");
}

const codeOf = (character) => `U+${character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}`;

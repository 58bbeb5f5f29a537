// Makes values by chance, here in the browser: by the same rules as `resolver secrets generate`.

const LETTERS = "abcdefghijklmnopqrstuvwxyz";
const DIGITS = "0123456789";
const SYMBOLS = "-._~!@%^*+=:,";

export const [LEAST_LENGTH, USUAL_LENGTH, MOST_LENGTH] = [12, 32, 1024];

/** Groups of characters, by what they are called: a value has at least one of each group. */
export const ALPHABETS = {
  "letters, digits and symbols": [LETTERS, LETTERS.toUpperCase(), DIGITS, SYMBOLS],
  "letters and digits": [LETTERS, LETTERS.toUpperCase(), DIGITS],
  "hexadecimal digits": [`${DIGITS}abcdef`],
};

/** A value of so many characters, each as likely as any other. */
export function generate(groups, length) {
  const all = groups.join("");
  for (;;) {
    const made = Array.from({ length }, () => all[below(all.length)]);
    if (groups.every((group) => made.some((one) => group.includes(one)))) return made.join("");
  }
}

/** A number below another one, which is at most 256: what would make some likelier is drawn again. */
function below(limit) {
  const end = 256 - (256 % limit);
  const drawn = new Uint8Array(1);
  do crypto.getRandomValues(drawn);
  while (drawn[0] >= end);
  return drawn[0] % limit;
}

// Files that somebody chose, as text.

const MIB = 1024 * 1024;

/**
 * What a file holds. A mark at its beginning that says UTF-8 is part of it only when it is taken exactly.
 *
 * @param most bytes, and what it is that has no more
 */
export async function readText(file, { most = Infinity, what = "", exact = false } = {}) {
  if (file.size > most) throw new Error(`the file is over ${most / MIB} MiB: ${what} has at most that`);
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: exact }).decode(await file.arrayBuffer());
  } catch {
    throw new Error("the file can't be read as UTF-8 text");
  }
}

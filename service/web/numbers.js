// Numbers as people paste them: a row or a column, with the decimal and thousands marks of any country.

const MISSING = /^(|null|nan|na|n\/a|none|-|#n\/a)$/i;
const SPACES = /[ \u00a0\u202f']/g;
const THOUSANDS = String.raw`\d{1,3}(?:[ \u00a0\u202f']\d{3})+|\d{1,3}(?:,\d{3})+|\d{1,3}(?:\.\d{3}){2,}`;
const NUMBER = new RegExp(String.raw`^[+-]?(?:(?:${THOUSANDS}|\d{1,3}(?:\.\d{3})+(?=,)|\d+)(?:\.\d*|,\d+)?|[.,]\d+)(?:e[+-]?\d+)?$`, "i");

const bare = (cell) => cell.replace("\u2212", "-").replace(/^([+-]?)[$€£¥]\s*/, "$1").replace(/\s*[%$€£¥]$/, "");
const isCell = (cell) => MISSING.test(cell) || NUMBER.test(bare(cell));

// {values, name, note}, or null for what is a table or no numbers at all.
export function numbersOf(text) {
  const plain = text.trim().replace(/^\[([^[\]]*)\]$/, "$1").trim();
  const lines = plain.split(/\r?\n/).map((line) => line.trim());
  if (!plain) return null;
  if (lines.length === 1) return read(rowOf(plain));
  if (lines.some((line) => /[\t;]/.test(line))) return null;
  const [first, ...rest] = lines;
  if (lines.every(isCell)) return read(lines);
  if (rest.length && rest.every(isCell) && !first.includes(",") && !isCell(first)) return read(rest, first);
  return read(lines.flatMap((line) => rowOf(line.replace(/,$/, ""))));
}

// What is no number in a row of numbers, or undefined.
export function oddOne(text) {
  const cells = rowOf(text.trim());
  const odd = cells.filter((cell) => !isCell(cell));
  return !/\n/.test(text.trim()) && 2 * odd.length < cells.length ? odd[0] : undefined;
}

function rowOf(line) {
  if (line.includes(";")) return line.replace(/;$/, "").split(";").map((cell) => cell.trim());
  if (line.includes("\t")) return line.split("\t").map((cell) => cell.trim());
  const parts = line.split(/\s+/);
  if (parts.length > 1 && parts.every(isCell)) return parts; // 1,5 2,5 3,5
  return line.split(/\s*,\s*|\s+/);
}

function read(cells, name = "") {
  if (!cells || !cells.every(isCell) || cells.every((cell) => MISSING.test(cell))) return null;
  const numbers = cells.filter((cell) => !MISSING.test(cell)).map((cell) => bare(cell).replace(SPACES, ""));
  const { decimal, note } = marksOf(numbers);
  const other = decimal === "." ? /,/g : /\./g;
  const values = cells.map((cell) => (MISSING.test(cell) ? null : Number(bare(cell).replace(SPACES, "").replace(other, "").replace(",", "."))));
  return values.some(Number.isNaN) ? null : { values, name, note };
}

// What dots and commas mean in all the numbers together.
function marksOf(numbers) {
  const withCommas = numbers.filter((cell) => cell.includes(","));
  const both = withCommas.find((cell) => cell.includes("."));
  if (both) {
    const decimal = both.lastIndexOf(",") > both.lastIndexOf(".") ? "," : ".";
    return { decimal, note: `'${both}' is read with a decimal ${decimal === "," ? "comma" : "point"}.` };
  }
  if (withCommas.length) {
    const isThousands = withCommas.every((cell) => /^[+-]?[1-9]\d{0,2}(,\d{3})+$/.test(cell));
    return isThousands
      ? { decimal: ".", note: `'${withCommas[0]}' is read with a thousands comma.` }
      : { decimal: ",", note: `'${withCommas[0]}' is read with a decimal comma.` };
  }
  const grouped = numbers.find((cell) => /\..*\./.test(cell));
  return grouped ? { decimal: ",", note: `'${grouped}' is read with thousands points.` } : { decimal: ".", note: "" };
}

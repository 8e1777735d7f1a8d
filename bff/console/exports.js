// A file of rows, as a spreadsheet reads it.

import { download } from "./api.js";
import { h } from "./dom.js";

// Have the browser save what is at `path`. Raises Problem.
export async function save(path, name) {
  const answer = await download(path);
  const address = URL.createObjectURL(await answer.blob());
  h("a", { href: address, download: name }).click();
  URL.revokeObjectURL(address);
}

// Other changelog parsers of npm: node bench/changelog/peers.cjs FOLDER NAME < paths > results
// Reads one path a line; writes one line of JSON for each: [[version, date or null, body], ...],
// or null when the parser failed.
const fs = require("node:fs");
const path = require("node:path");
const folder = path.resolve(process.argv[2]);
const from = (name) => require(require.resolve(name, { paths: [folder] }));

const peers = {
  "changelog-parser": async (file) => {
    const found = await from("changelog-parser")({ filePath: file, removeMarkdown: false });
    return found.versions
      .filter((v) => v.version)
      .map((v) => [v.version, v.date, v.body]);
  },
  "keep-a-changelog": async (file) => {
    const { parser } = await import(path.join(folder, "node_modules/keep-a-changelog/mod.js"))
      .catch(() => from("keep-a-changelog"));
    const found = parser(fs.readFileSync(file, "utf8"));
    return found.releases
      .filter((r) => r.version)
      .map((r) => [String(r.version), r.date ? new Date(r.date).toISOString().slice(0, 10) : null, r.toString()]);
  },
};

(async () => {
  const peer = peers[process.argv[3]];
  for (const file of fs.readFileSync(0, "utf8").split("\n").filter(Boolean)) {
    let rows = null;
    try {
      rows = await peer(file);
    } catch {}
    console.log(JSON.stringify(rows));
  }
})();

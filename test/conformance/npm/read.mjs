// Prints what an EventSource of npm's reads, one JSON object a line: read.mjs PACKAGE URL TYPE...
const [name, url, ...types] = process.argv.slice(2);
const {EventSource} = await import(name);
const source = new EventSource(url);
for (const type of ["message", ...types]) {
  source.addEventListener(type, e => process.stdout.write(JSON.stringify({id: e.lastEventId, type, data: e.data}) + "\n"));
}
source.addEventListener("error", e => {
  if (source.readyState !== EventSource.CLOSED) return;
  console.error(name, "gave up:", e.code, e.message);
  process.exit(1);
});
// While version 5 waits to come back, nothing of its own keeps Node running.
setInterval(() => {}, 60_000);

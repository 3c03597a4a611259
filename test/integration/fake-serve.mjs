// Stands in for `raftkv serve` under `raftkv dev`: says what happens to it and does what its first argument asks of its member.
const flags = Object.fromEntries(
  process.argv.flatMap((flag, position, all) => (flag.startsWith("--") ? [[flag.slice(2), all[position + 1]]] : [])),
);
const say = (msg) => process.stderr.write(`${JSON.stringify({ level: "info", time: "", member: flags.name, msg })}\n`);
const behaviour = JSON.parse(process.argv[2] ?? "{}")[flags.name];

process.on("SIGTERM", () => {
  say("told to stop");
  if (behaviour !== "deaf") process.exit(0);
});
process.on("disconnect", () => process.exit(0));
setInterval(() => {}, 1000);
say(`serving on ${flags["client-address"]}, process ${process.pid}`);
if (behaviour === "crash") process.exit(9);

// Reads cases as JSON from stdin, answers with what the pages' own code makes of them: see tests/test_web_twins.py.
import { heading, more, place } from "../../builds/static/builds/annotations.js";
import { heading as files } from "../../builds/static/builds/artifacts.js";
import { runs } from "../../builds/static/builds/ansi.js";
import { label, layOut, tick } from "../../builds/static/builds/axis.js";
import { estimate, forecast, settle, spread } from "../../builds/static/builds/progress.js";
import { counts } from "../../builds/static/builds/tests.js";
import * as words from "../../builds/static/builds/words.js";

const functions = {
  runs: (line) => runs(line).map(({ classes, href, text }) => [classes, href, text]),
  layOut: (steps, now) => layOut(steps, now),
  estimate,
  forecast,
  spread,
  settle,
  heading,
  counts,
  files,
  more,
  place,
  label,
  tick,
  ...words,
};

let input = "";
for await (const part of process.stdin) input += part;
process.stdout.write(JSON.stringify(JSON.parse(input).map(([name, args]) => functions[name](...args))));

// @ts-check
// A project's page: what board.js does not do. Plots that can be pointed at, and texts that can be copied.

import "./copy.js";
import { Plot } from "./plot.js";

for (const box of /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll("[data-plot]"))) new Plot(box);

// @ts-check
// Whether words come as they are said, or in gulps: by the server's times in them, whatever the clocks say. Pure.

const TOGETHER = 100;

export class Lateness {
  constructor() {
    /** When the stream's first word was said; what is older was stored before. */
    this.since = NaN;
    /** The greatest lead of the server's clock over the arrival: that of the quickest word. */
    this.lead = -Infinity;
    /** The first of the words that came together, and its lead. */
    this.gulp = { at: -Infinity, lead: 0 };
  }

  /**
   * How many milliseconds later this word came than the quickest one, or the first of those that came with it.
   * @param {number} said by the server's clock @param {number} arrived by this machine's
   */
  hear(said, arrived) {
    const lead = said - arrived;
    if (Number.isNaN(this.since)) {
      this.since = said;
      this.lead = lead;
    }
    if (!(said >= this.since)) return 0;
    if (arrived - this.gulp.at > TOGETHER) this.gulp = { at: arrived, lead };
    this.lead = Math.max(this.lead, lead);
    return Math.max(this.lead - lead, lead - this.gulp.lead);
  }
}

/** One record as one line of JSON. Not by `console`, which puts Lambda's own words in front of it. */
export function writeRecord(record: object): void {
  process.stdout.write(`${JSON.stringify(record)}\n`)
}

/** Writes a log record as one line of JSON. `console.log` would prefix Lambda's timestamp and request id. */
export function writeRecord(record: object): void {
  process.stdout.write(`${JSON.stringify(record)}\n`)
}

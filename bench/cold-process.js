// One cold start: loads a bundle and handles the events one after the other. Prints the time of each step in
// milliseconds.
const [bundle, events] = process.argv.slice(2)
const context = { getRemainingTimeInMillis: () => 900_000 }

const times = []
let began = performance.now()
const { handler } = await import(bundle)
times.push(performance.now() - began)
for (const event of JSON.parse(events)) {
  began = performance.now()
  const result = await handler(event, context)
  times.push(performance.now() - began)
  if (result?.statusCode >= 400) throw new Error(`${result.statusCode}: ${atob(result.body)}`)
}
// On a line of its own, because the handler may have logged before.
process.stdout.write(`\n${JSON.stringify(times)}`)

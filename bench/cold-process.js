// One cold start: loads a bundle, then lets it answer each event in turn. Prints how long that took, in milliseconds.
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
// Behind whatever the handler has logged.
process.stdout.write(`\n${JSON.stringify(times)}`)

// Emulates Lambda's runtime: one environment, which loads a bundle and handles one event at a time.
const { handler } = await import(process.argv[2])

process.on('message', async ({ event, deadline }) => {
  const context = { getRemainingTimeInMillis: () => deadline - Date.now() }
  try {
    process.send({ result: await handler(event, context) })
  } catch (error) {
    process.send({ error: { errorType: error.name, errorMessage: error.message, trace: error.stack } })
  }
})
process.send('ready')

// Reads a report of vitest (--reporter=json): lists the tests that did not pass, and appends "<passed> <failed>" to a
// file. A skipped test counts as failed: CI installs everything that the tests need, so no test has a reason to skip.
import { appendFileSync, existsSync, readFileSync } from 'node:fs'

const [, , stage, report, exitCode, counts] = process.argv

const files = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')).testResults : []
const tests = files.flatMap(file => file.assertionResults)
const passed = tests.filter(test => test.status === 'passed').length
const lines = tests.filter(test => test.status !== 'passed').map(describeTest)

// A file that cannot be loaded has no failed tests. Neither has an error outside of a test.
for (const file of files)
  if (file.status === 'failed' && file.assertionResults.length === 0)
    lines.push(`failed: ${file.name}\n${file.message}`)
if (exitCode !== '0' && lines.length === 0)
  lines.push(`failed: vitest ended with ${exitCode}, but no test failed`)
if (passed === 0 && lines.length === 0) lines.push('failed: no test ran')

console.log(`\n${stage}: ${passed} passed, ${lines.length} failed`)
for (const line of lines) console.log(`  ${line}`)
appendFileSync(counts, `${passed} ${lines.length}\n`)

function describeTest({ status, fullName, failureMessages }) {
  if (status !== 'failed') return `skipped: ${fullName}`
  const [first = ''] = failureMessages
  return `failed: ${fullName}\n    ${first.split('\n').slice(0, 12).join('\n    ')}`
}

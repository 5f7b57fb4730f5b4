// Prints the slowest test files of all vitest reports in a folder, and the coverage of `lambda/` by the unit tests.
// It fails no run: .ci/count.js has already counted a missing report as a failure.
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join, relative } from 'node:path'

const SHOWN = 10
const [, , reports, coverage] = process.argv

const files = readdirSync(reports).flatMap(report =>
  read(join(reports, report)).testResults.map(({ name, startTime, endTime }) => ({
    stage: basename(report, '.json'),
    name: relative(process.cwd(), name),
    seconds: (endTime - startTime) / 1000,
  })),
)

console.log(`\nThe slowest ${SHOWN} of ${files.length} test files:`)
for (const { stage, name, seconds } of files.sort((a, b) => b.seconds - a.seconds).slice(0, SHOWN))
  console.log(`  ${seconds.toFixed(1).padStart(6)} s  ${name} (${stage})`)

if (existsSync(coverage)) {
  const { lines, branches } = read(coverage).total
  console.log(`Coverage of lambda/ by the unit tests: ${lines.pct} % of lines, ${branches.pct} % of branches`)
}

function read(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

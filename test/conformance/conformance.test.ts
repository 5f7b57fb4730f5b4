import { expect, test } from 'vitest'
import { Cloud } from '../cloud/emulator/cloud.ts'
import { hasDynamoDBLocal } from '../support/dynamodb-local.ts'
import { LocalServer } from '../support/local-server.ts'
import { describeWith, findTool } from '../support/requirements.ts'
import { runSuite, type Trial, VERSIONS, type Verdict } from './suite.ts'

interface Candidate extends Trial {
  readonly name: string
  readonly needs: readonly string[]
}

const CLOUD = ['versitygw', ...(hasDynamoDBLocal ? [] : ['DynamoDB Local'])]

const CANDIDATES: readonly Candidate[] = [
  { name: 'on one machine', needs: [] },
  {
    name: 'on one machine, with sparse repositories',
    needs: [],
    start: () => LocalServer.start({ args: ['--sparse', '**'] }),
    settings: { OCI_DATA_SPARSE: 'true' },
  },
  {
    name: 'deployed, pulled through the edge',
    needs: CLOUD,
    start: () => Cloud.start({ pull: 'edge' }),
  },
  {
    name: 'deployed, pulled from S3',
    needs: CLOUD,
    start: () => Cloud.start({ pull: 's3', headLength: 'said' }),
    // The only difference: responses of S3 have no Docker-Content-Digest.
    settings: { OCI_API_BLOBS_DIGEST_HEADER: 'false' },
  },
]

const program = findTool('conformance')
const isReady = ({ needs }: Candidate) => program && needs.every(tool => findTool(tool))

// The suite runs before the tests are declared, so that each of its tests becomes a test here.
const verdicts = new Map<string, Verdict>()
for (const candidate of CANDIDATES.filter(isReady))
  for (const version of VERSIONS)
    verdicts.set(`${candidate.name} ${version}`, await runSuite(program ?? '', version, candidate))

for (const { name, needs } of CANDIDATES)
  for (const version of VERSIONS)
    describeWith(
      { tools: ['conformance', ...needs] },
      `OCI conformance suite, version ${version}, ${name}`,
      () => {
        const { code, cases } = verdicts.get(`${name} ${version}`) ?? { code: -1, cases: [] }

        test('exits with 0', () => {
          expect(code).toBe(0)
        })

        test('reports all of its tests', () => {
          expect(cases.length).toBeGreaterThan(750)
        })

        for (const { name, status, message } of cases)
          test(name, () => {
            // A skipped test means that the registry lacks a feature.
            if (status !== 'passed') throw new Error(`${status}: ${message}`)
          })
      },
    )

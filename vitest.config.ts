import { defineConfig } from 'vitest/config'

/** What is waited for comes at once on an idle machine, and on a busy one when it can. */
const expect = { poll: { timeout: 30_000 } }

/** `npm run test:random` runs each property `FC_RUNS` times as often, which takes as many times as long. */
const testTimeout = 60_000 * Number(process.env.FC_RUNS ?? 1)

const seeded = 'test/support/fixed-seed.ts'
const silent = 'test/support/printed-secrets.ts'

export default defineConfig({
  test: {
    coverage: { provider: 'v8', include: ['lambda/**/*.ts'], reporter: ['text-summary', 'json-summary'] },
    projects: [
      {
        test: {
          name: 'unit',
          expect,
          setupFiles: [seeded, silent],
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', 'test/conformance/**', 'test/cloud/**', 'test/infra/**'],
          // Loading the modules anew for every file took two thirds of the processor time of small files. So a file leaves
          // nothing behind: it restores what it replaces in a global object or another module.
          isolate: false,
          // Some hash passwords by the dozen, and CI's machines are slow and busy.
          testTimeout,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'infra',
          setupFiles: [seeded],
          include: ['test/infra/**/*.test.ts'],
          // All of them load the CDK, which takes longer than what they do with it.
          isolate: false,
          testTimeout,
        },
      },
      {
        test: {
          name: 'e2e',
          setupFiles: [silent],
          include: ['test/e2e/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      {
        test: {
          name: 'cloud',
          expect,
          setupFiles: [seeded, silent],
          include: ['test/cloud/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 300_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          name: 'conformance',
          include: ['test/conformance/**/*.test.ts'],
          testTimeout: 300_000,
        },
      },
    ],
  },
})

import { join } from 'node:path'
import { defineConfig } from 'vitest/config'

// Processes that tests start share a cache of compiled code, which halves the processor time of a start.
process.env.NODE_COMPILE_CACHE ??= join(import.meta.dirname, 'node_modules/.cache/node-compile')

/** Milliseconds. `expect.poll` waits for events, which may take long on a busy machine. */
const expect = { poll: { timeout: 30_000 } }

/** Milliseconds. `npm run test:random` sets `FC_RUNS`, a factor for the runs of each property. */
const testTimeout = 60_000 * Number(process.env.FC_RUNS ?? 1)

const seeded = 'test/support/fixed-seed.ts'
const silent = 'test/support/printed-secrets.ts'

/** Files that replace a module of Node with `vi.mock`, and therefore must not share loaded modules. */
const mocking = ['test/store/interruptions.test.ts', 'test/store/no-descriptors.test.ts']

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
          exclude: [
            'test/e2e/**',
            'test/conformance/**',
            'test/cloud/**',
            'test/deploy/**',
            'test/infra/**',
            ...mocking,
          ],
          // Files share loaded modules, because loading them again took two thirds of the processor time of small files. A file must
          // therefore restore what it replaces in a global object or another module.
          isolate: false,
          testTimeout,
          hookTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'mocking',
          setupFiles: [seeded, silent],
          include: mocking,
          testTimeout,
        },
      },
      {
        test: {
          name: 'infra',
          setupFiles: [seeded],
          include: ['test/infra/**/*.test.ts'],
          // Validating a template takes longer than synthesizing it. test/infra/app.test.ts runs the CLI, which validates once.
          env: { CDK_VALIDATION: 'false' },
          // Loading the CDK and synthesizing take longer than the tests, so one process does both once.
          isolate: false,
          fileParallelism: false,
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
          name: 'deploy',
          expect,
          setupFiles: [seeded, silent],
          include: ['test/deploy/**/*.test.ts'],
          fileParallelism: false,
          testTimeout: 180_000,
          hookTimeout: 300_000,
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

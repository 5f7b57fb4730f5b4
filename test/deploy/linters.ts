import { fileURLToPath } from 'node:url'
import { CfnElement, Stack } from 'aws-cdk-lib'
import type { Synthesized } from '../infra/synthesize.ts'
import { run } from '../support/command.ts'
import type { TempDir } from '../support/temp-dir.ts'

/** Where `.ci/python/build` installs the linters. */
export const LINTERS = fileURLToPath(new URL('../../.ci/tools/python/linters/bin/', import.meta.url))

/** A violated rule of a linter. */
export interface Finding {
  readonly tool: 'cfn-lint' | 'checkov'
  readonly rule: string
  /** Path of the construct in the stack, such as `Functions/Api/Function`. */
  readonly resource: string
  readonly message: string
}

/** Parts of the reports of the linters. */
interface CfnLintMatch {
  readonly Filename: string
  readonly Rule: { readonly Id: string }
  readonly Message: string
  readonly Location: { readonly Path: readonly (string | number)[] | null }
}
interface CheckovReport {
  readonly results: { readonly failed_checks: readonly CheckovCheck[] }
  readonly summary: { readonly parsing_errors: number; readonly passed: number }
}
interface CheckovCheck {
  readonly check_id: string
  readonly check_name: string
  readonly file_abs_path: string
  /** Type and logical id, separated by a dot. */
  readonly resource: string
}

/** Templates in a folder, to be checked together: a linter takes several seconds to start. */
export class Templates {
  readonly #folder: TempDir
  readonly #paths = new Map<string, ReadonlyMap<string, string>>()

  constructor(folder: TempDir) {
    this.#folder = folder
  }

  add({ app, template }: Synthesized): void {
    const file = this.#folder.write(`${this.#paths.size}.template.json`, JSON.stringify(template))
    this.#paths.set(file, constructPaths(app))
  }

  /** @throws {Error} when cfn-lint fails, other than by findings */
  async lintWithCfnLint(): Promise<Finding[]> {
    const flags = ['--format', 'json', '--regions', 'us-east-1', '--non-zero-exit-code', 'none', '--']
    const matches: CfnLintMatch[] = JSON.parse(await this.#run('cfn-lint', [...flags, ...this.#paths.keys()]))
    return matches.map(({ Filename, Rule, Message, Location }) => ({
      tool: 'cfn-lint',
      rule: Rule.Id,
      resource: this.#resource(Filename, String(Location.Path?.[1] ?? '')),
      message: Message,
    }))
  }

  /** @throws {Error} when checkov fails, other than by findings, or has checked nothing */
  async lintWithCheckov(): Promise<Finding[]> {
    const flags = [
      '--framework',
      'cloudformation',
      '--output',
      'json',
      '--compact',
      '--soft-fail',
      '--skip-download',
    ]
    const text = await this.#run('checkov', ['--directory', this.#folder.path, ...flags])
    const { results, summary }: CheckovReport = JSON.parse(text)
    if (summary.parsing_errors > 0 || summary.passed === 0)
      throw new Error(`checkov could not read the templates: ${JSON.stringify(summary)}`)
    return results.failed_checks.map(({ check_id, check_name, file_abs_path, resource }) => ({
      tool: 'checkov',
      rule: check_id,
      resource: this.#resource(file_abs_path, resource.split('.')[1] ?? ''),
      message: check_name,
    }))
  }

  #resource(file: string, logicalId: string): string {
    return this.#paths.get(file)?.get(logicalId) ?? logicalId
  }

  #run(program: string, args: string[]): Promise<string> {
    const env = { HOME: this.#folder.path, LOG_LEVEL: 'ERROR', PYTHONDONTWRITEBYTECODE: '1' }
    return run(LINTERS + program, args, { env })
  }
}

/** The path of each resource's construct below the stack, by logical id, which contains a hash. */
function constructPaths(app: Synthesized['app']): ReadonlyMap<string, string> {
  return new Map(
    app.node
      .findAll()
      .filter(node => node instanceof CfnElement)
      .map(element => {
        const path = element.node.path.split('/').slice(1).join('/')
        return [Stack.of(element).resolve(element.logicalId), path.replace(/\/Resource$/, '')]
      }),
  )
}

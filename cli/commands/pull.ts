import { arch } from 'node:os'
import { type Command, Option } from 'commander'
import type { ArchiveTarget } from '../../lambda/client/archive/archive-target.ts'
import { LayoutTarget } from '../../lambda/client/archive/layout-target.ts'
import { requireDockerImage, TarTarget } from '../../lambda/client/archive/tar-target.ts'
import { type Platform, parseContent } from '../../lambda/client/content.ts'
import { copyPlan } from '../../lambda/client/copy/copier.ts'
import { planCopy } from '../../lambda/client/copy/plan.ts'
import { formatImageName, type ImageName } from '../../lambda/client/image-name.ts'
import { RepositorySource } from '../../lambda/client/registry/repository-source.ts'
import { imageName, platformOrAll } from '../arguments.ts'
import { CliError } from '../cli-error.ts'
import type { CliContext } from '../context.ts'
import { type Done, type Transfer, transfer } from '../transfer.ts'

type Format = 'docker' | 'oci' | 'layout'

interface PullOptions {
  readonly format?: Format
  readonly platform?: Platform | 'all'
  readonly referrers?: boolean
  readonly force?: boolean
}

const NOTES = `
A path that ends with .tar, and - for standard output, are archives of the format docker, which "docker load" and podman read.
Any other path is the folder of an OCI layout, which may hold other images. Digests are the same in each format.
The format docker takes one platform, by default that of this machine. The others take all.
Example: longshore pull registry.example/team/app:v1 app.tar`

/** `longshore pull` */
export function addPullCommand(program: Command, context: CliContext): void {
  program
    .command('pull')
    .description('pull an image from a registry into an archive or an OCI layout')
    .argument('<reference>', 'such as registry.example/team/app:v1', imageName)
    .argument('<path>', 'file, folder, or - for standard output')
    .addOption(new Option('--format <format>', 'format of the result').choices(['docker', 'oci', 'layout']))
    .option(
      '--platform <platform>',
      'only the image of a platform, such as linux/arm64; or all',
      platformOrAll,
    )
    .option('--referrers', 'with signatures and other referrers')
    .option('--force', 'replace a file that exists')
    .addHelpText('after', NOTES)
    .action((name: ImageName, path: string, options: PullOptions) =>
      transfer(context, running => pull({ context, running, path, options }, name), {
        keepsOutput: path === '-',
      }),
    )
}

interface Pull {
  readonly context: CliContext
  readonly running: Transfer
  readonly path: string
  readonly options: PullOptions
}

async function pull({ context, running, path, options }: Pull, name: ImageName): Promise<readonly Done[]> {
  const { signal, display: progress } = running
  const { reference } = name
  const registry = name.registry.replace(/^https?:\/\//, '')
  const text = formatImageName({ ...name, registry })
  const format = options.format ?? formatOf(path)
  checkOutput(context, path, format)
  const source = new RepositorySource(running.registry(name.registry, true), name.repository)
  const named = await source.manifest(reference, signal)
  const { isIndex } = parseContent(named, text)
  const { platform = format === 'docker' && isIndex ? ownPlatform() : 'all', referrers = false } = options
  const plan = await planCopy(source, reference, {
    platform: platform === 'all' ? undefined : platform,
    referrers,
    signal,
  })
  if (format === 'docker') requireDockerImage(plan.root, text)
  const target = await open({ context, path, options }, format)
  try {
    const totals = await copyPlan(source, target, plan, { tags: [], progress, signal })
    await target.commit(plan.root, reference.kind === 'tag' ? [{ tag: reference.tag, full: text }] : [])
    const image = reference.kind === 'tag' ? text : `${registry}/${name.repository}`
    return [{ verb: 'pulled', image, digest: plan.root.digest, ...totals }]
  } catch (error) {
    await target.abort()
    throw error
  }
}

function formatOf(path: string): Format {
  if (path === '-' || path.endsWith('.tar')) return 'docker'
  if (/\.(tgz|tar\.\w+)$/.test(path))
    throw new CliError(
      `"${path}" must end with .tar: archives are not compressed, because their layers are`,
      2,
    )
  return 'layout'
}

/** @throws {CliError} where a format cannot go to standard output, or where that is a terminal */
function checkOutput({ io }: CliContext, path: string, format: Format): void {
  if (path !== '-') return
  if (format === 'layout') throw new CliError('an OCI layout is a folder: name a path', 2)
  if (io.output === undefined || io.columns !== undefined)
    throw new CliError(
      'an archive cannot be written to a terminal: name a file, or send it to another program',
      2,
    )
}

async function open(
  { context, path, options }: Omit<Pull, 'running'>,
  format: Format,
): Promise<ArchiveTarget> {
  const { force = false } = options
  if (format === 'layout') return LayoutTarget.open(context.path(path), path)
  const { output } = context.io
  const isOutput = path === '-' && output !== undefined
  return TarTarget.open({
    format,
    name: isOutput ? 'standard output' : path,
    to: isOutput ? output : context.path(path),
    force,
  })
}

/** Images for containers are for Linux, whatever this machine runs. */
function ownPlatform(): Platform {
  const architectures: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386' }
  return { os: 'linux', architecture: architectures[arch()] ?? arch() }
}

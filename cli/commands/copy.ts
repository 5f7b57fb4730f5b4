import type { Command } from 'commander'
import type { Platform } from '../../lambda/client/content.ts'
import { copyPlan } from '../../lambda/client/copy/copier.ts'
import { planCopy } from '../../lambda/client/copy/plan.ts'
import { formatReference, type ImageName } from '../../lambda/client/image-name.ts'
import { RepositorySource } from '../../lambda/client/registry/repository-source.ts'
import { RepositoryTarget } from '../../lambda/client/registry/repository-target.ts'
import { imageName, platformOrAll } from '../arguments.ts'
import { CliError } from '../cli-error.ts'
import type { CliContext } from '../context.ts'
import { type Done, type Transfer, transfer } from '../transfer.ts'

interface CopyCommandOptions {
  readonly platform?: Platform | 'all'
  readonly referrers: boolean
}

const NOTES = `
Digests are kept. Blobs that are there are skipped, or mounted within a registry, so a copy that failed goes on when it is repeated.
--user is the login for the registry of <to>. All other logins are the kept ones.
Example: longshore copy docker.io/library/alpine:3 registry.example/base/alpine:3`

/** `longshore copy` */
export function addCopyCommand(program: Command, context: CliContext): void {
  program
    .command('copy')
    .description('copy an image from one registry or repository to another')
    .argument('<from>', 'such as docker.io/library/alpine:3', imageName)
    .argument(
      '<to>',
      'such as registry.example/base/alpine:3; without a tag or a digest it has that of <from>',
      imageName,
    )
    .option(
      '--platform <platform>',
      'only the image of a platform, such as linux/arm64; or all (default: all)',
      platformOrAll,
    )
    .option('--no-referrers', 'without signatures and other referrers')
    .addHelpText('after', NOTES)
    .action((from: ImageName, to: ImageName, options: CopyCommandOptions) =>
      transfer(context, running => copy(running, { from, to }, options)),
    )
}

async function copy(
  running: Transfer,
  { from, to }: { readonly from: ImageName; readonly to: ImageName },
  { platform, referrers }: CopyCommandOptions,
): Promise<readonly Done[]> {
  const { signal, display: progress } = running
  const reference = to.isExplicit ? to.reference : from.reference
  const source = new RepositorySource(
    running.registry(from.registry, from.registry === to.registry),
    from.repository,
  )
  const target = new RepositoryTarget(running.registry(to.registry, true), to.repository)
  const plan = await planCopy(source, from.reference, {
    platform: platform === 'all' ? undefined : platform,
    referrers,
    signal,
  })
  const { digest } = plan.root
  if (to.isExplicit && reference.kind === 'digest' && reference.digest !== digest)
    throw new CliError(`the image has the digest ${digest}, not ${reference.digest}`)
  const tags = reference.kind === 'tag' ? [reference.tag] : []
  const totals = await copyPlan(source, target, plan, { tags, progress, signal })
  const suffix = reference.kind === 'tag' ? formatReference(reference) : ''
  return [{ verb: 'copied', image: `${to.registry}/${to.repository}${suffix}`, digest, ...totals }]
}

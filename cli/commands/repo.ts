import type { Command } from 'commander'
import { repositoryName } from '../arguments.ts'
import type { CliContext } from '../context.ts'
import type { RegistryClient } from '../registry-client.ts'

/** `longshore repo ...` */
export function addRepoCommands(program: Command, context: CliContext): void {
  const repo = program.command('repo').description('list and remove repositories')
  repo
    .command('list')
    .description('list the repositories that you may pull from')
    .action(context.onRegistry(registry => registry.pages('/v2/_catalog', 'repositories')))
  repo
    .command('remove')
    .description('remove a repository with all its tags and manifests')
    .argument('<repository>', 'such as team/app', repositoryName)
    .action(context.onRegistry(removeRepository))
}

/** A request removes a limited number of manifests. It is repeated until none is left. */
async function removeRepository(registry: RegistryClient, repository: string): Promise<unknown> {
  for (let removed = 0; ; ) {
    const part = await registry.request('DELETE', `/api/repositories/${repository}`)
    const { removed: some, more } = part as { removed: number; more: boolean }
    removed += some
    if (!more) return { repository, removed }
  }
}

import { App, Validations } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { readSettings, SettingsError } from './settings.ts'
import { RegistryStack } from './stack.ts'

try {
  const app = new App()
  new RegistryStack(app, readSettings(app.node.getAllContext()))
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app))
  app.synth()
} catch (error) {
  if (!(error instanceof SettingsError)) throw error
  console.error(`longshore: ${error.message}`)
  process.exitCode = 1
}

/** What a request that begins an upload must do about the relay. */
export type UploadStart =
  /** Begin the session. `query` is added to its URL. */
  | { readonly kind: 'begin'; readonly query: string | undefined }
  /** Redirect the request to itself: the client repeats it with a new timeout. */
  | { readonly kind: 'repeat' }

/**
 * The relay accepts uploads that are too large for the API. It may be stopped. This port starts it for the uploads that
 * need it, which depends on the client: `userAgent` is the header `User-Agent`.
 */
export interface UploadRelay {
  /** Starts the relay early, when a client receives a token to push with. */
  announce(userAgent: string | undefined): Promise<void>
  /**
   * Waits for the relay before an upload session begins.
   * @throws {RegistryError} that makes the client retry, or that says why the relay cannot start
   */
  beginUpload(userAgent: string | undefined): Promise<UploadStart>
  /**
   * Starts the relay after a PATCH that was too large for the API, and makes the client repeat the upload.
   * @throws {RegistryError} always
   */
  wakeForPatch(userAgent: string | undefined): Promise<never>
}

/**
 * The names of attributes: those of the semantic conventions of OpenTelemetry, and `wma.…` for what they have no name
 * for. They stand here as texts because the package with the names is loaded only with the real tracer; a test compares.
 */
export const ATTRIBUTES = {
  httpMethod: 'http.request.method',
  httpStatus: 'http.response.status_code',
  httpRoute: 'http.route',
  urlTemplate: 'url.template',
  urlFull: 'url.full',
  urlScheme: 'url.scheme',
  urlPath: 'url.path',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  errorType: 'error.type',
  messagingSystem: 'messaging.system',
  messagingDestination: 'messaging.destination.name',
  messagingOperation: 'messaging.operation.name',
  messagingOperationType: 'messaging.operation.type',
  messagingMessageId: 'messaging.message.id',
  s3Bucket: 'aws.s3.bucket',
  s3Key: 'aws.s3.key',
  itemId: 'wma.media.id',
  itemKind: 'wma.media.kind',
  sizeBytes: 'wma.media.bytes',
  account: 'wma.account',
  attempt: 'wma.attempt',
  generation: 'wma.generation',
  outcome: 'wma.outcome',
  errcode: 'wma.errcode',
  eventType: 'wma.event.type',
} as const;

/** The child's side of processes.ts. */

/** Handles calls of the parent, several at once where they arrive so; the process ends with its parent. */
export function serveParent(handlers: Record<string, (argument: never) => unknown>): void {
  async function handle({ id, ask, argument }: { id: number; ask: string; argument: never }): Promise<void> {
    try {
      const handler = handlers[ask];
      if (!handler) throw new Error(`there is no handler for ${ask}`);
      process.send?.({ id, result: await handler(argument) });
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  }
  process.on('message', (message: { id: number; ask: string; argument: never }) => void handle(message));
  process.once('disconnect', () => process.exit());
  process.send?.({ ready: true });
}

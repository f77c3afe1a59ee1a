/** The other side of processes.ts: what a process of the benchmark answers its parent. */

/** Requests are answered one at a time or together, as they come; the process ends with its parent. */
export function answerParent(answers: Record<string, (argument: never) => unknown>): void {
  process.on('message', async ({ id, ask, argument }: { id: number; ask: string; argument: never }) => {
    try {
      const answer = answers[ask];
      if (!answer) throw new Error(`nobody answers ${ask}`);
      process.send?.({ id, answer: await answer(argument) });
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
    }
  });
  process.once('disconnect', () => process.exit());
  process.send?.({ ready: true });
}

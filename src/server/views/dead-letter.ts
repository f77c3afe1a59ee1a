/** Groups of dead letters as the API shows them: with the sentence and the cure in the reader's language. */
import type { DeadLetterGroup } from '../../catalogue/history/summaries.ts';
import { explain } from '../../wechat/api/errcodes.ts';
import type { Language } from '../problem.ts';

export function groupJson(group: DeadLetterGroup, language: Language) {
  const { message, advice } = explain(group);
  return { ...group, message: message[language], advice: advice[language] };
}

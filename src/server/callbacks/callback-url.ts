/** The address an account's owner pastes into WeChat's console. */
export function callbackUrlOf(base: string, account: string): string {
  return `${base.replace(/\/$/, '')}/wechat/${encodeURIComponent(account)}`;
}

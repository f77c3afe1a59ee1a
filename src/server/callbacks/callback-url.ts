/** Returns the callback URL of an account, which the operator pastes into WeChat's console. */
export function callbackUrlOf(base: string, account: string): string {
  return `${base.replace(/\/$/, '')}/wechat/${encodeURIComponent(account)}`;
}

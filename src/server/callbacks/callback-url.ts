/** The callback URL of an account, to be pasted into WeChat's console. */
export function callbackUrlOf(base: string, account: string): string {
  return `${base.replace(/\/$/, '')}/wechat/${encodeURIComponent(account)}`;
}

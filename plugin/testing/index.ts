export { brokerContract, type BrokerCase } from './broker-contract.ts'
export { injectSse, type InjectedEvent, type InjectedStream, type InjectSseOptions } from './inject-sse.ts'
export type { BrokerContractOptions } from './options.ts'

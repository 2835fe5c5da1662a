export {
  type InstrumentOptions,
  instrument,
  type MeterProviderLike,
  type Telemetry,
  type TracerProviderLike,
} from './instrument.ts';

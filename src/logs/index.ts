export { runLogContext, type RunLogContext } from './context.ts';
export { createRunLog, type RunLog, type RunLogSink } from './runlog.ts';
export { createLogSink, type FileLogSink, type LogSinkOptions } from './sink.ts';

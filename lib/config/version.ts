/** The versions this server gives of itself. */

/** The Redis whose behaviour is offered: INFO, HELLO, LOLWUT and the configuration's errors say it. */
export const REDIS_VERSION = "7.2.4";

/** The client of a tickwire server. */
export const VERSION = "0.1.0";

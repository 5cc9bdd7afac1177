export class Faults {}

/* Made by docs/schema.py from lddu_pipe/layout.py: do not edit. */

/** What the model says of one label in one utterance. */
export interface EmotionScore {
  label: string;
  /** Calibrated probability that the emotion is present, 0..1. */
  probability: number;
  decision: "present" | "absent" | "abstain";
  /** Calibrated probability that the decision is right, 0..1. With decision "abstain": of the better of the two decisions that were not made. */
  confidence: number;
  uncertainty: Uncertainty;
}

/** A face that was followed through the pictures. */
export interface Face {
  /** Unique in the annotation, such as ``f1``. */
  id: string;
  /** The id of whose face it is. */
  person: string;
  /** Of the first box, in seconds of the media. */
  start: number;
  /** Boxes a second. */
  fps: number;
  /** Left, top, right and bottom as shares of the picture; null where the face was lost. */
  boxes: Array<[number, number, number, number] | null>;
  /** Whether it never moved: a drawing, a poster, a picture in the picture. */
  still?: boolean;
}

/** Each modality of an utterance. */
export interface ModalitiesLayout {
  text: ModalityLayout;
  audio: ModalityLayout;
  vision: ModalityLayout;
}

/** Whether a modality was used, and why not. */
export interface ModalityLayout {
  present: boolean;
  /** Only where it is absent. */
  reason?: string;
}

/** Which model spoke. */
export interface ModelInfo {
  name: string;
  version: string;
  /** In the order in which every utterance has them. */
  labels: Array<string>;
  /** Whether every modality was pooled to one step a word. */
  aligned: boolean;
  /** Names of the continuous scales that it gives values of. */
  scales?: Array<string>;
}

/** Somebody who is seen or heard. */
export interface Person {
  /** Unique in the annotation, such as ``p1``. */
  id: string;
  /** Where it is known. */
  name: string | null;
  /** For how long the face was followed. */
  seconds_visible: number;
  /** For how long this person is known to have spoken. */
  seconds_speaking: number;
}

/** What is needed to get the same annotation again. */
export interface Provenance {
  /** ISO 8601, UTC. */
  created: string;
  versions: Record<string, string>;
  /** sha256 by the name of the weights. */
  weights: Record<string, string>;
  /** The settings, by name. */
  config: Record<string, unknown>;
}

/** Where an utterance lies on a continuous scale, such as valence or arousal. */
export interface ScaleValue {
  /** -1..1. */
  value: number;
  /** -1..1; with `high`, what holds the truth of 90 % of utterances (conformal prediction). None where the model was calibrated on too few rows with a value on this scale. */
  low: number | null;
  high: number | null;
}

/** What was annotated. */
export interface SourceInfo {
  /** As given by the caller; empty for data passed in memory. */
  path: string;
  /** Of the file's bytes; empty for data passed in memory. */
  sha256: string;
  /** Seconds; 0 for stills and for text without times. */
  duration: number;
  has_audio: boolean;
  has_video: boolean;
}

/** How unsure a score is, in two parts. */
export interface Uncertainty {
  /** 0..1: doubt that lies in the data, the error to be expected at this sigma; see docs/uncertainty.md. */
  aleatoric: number;
  /** 0..1: doubt of the model itself (spread over passes of the head). */
  epistemic: number;
}

/** One utterance with all labels, in label order. */
export interface UtteranceLayout {
  /** Unique in the annotation. */
  id: string;
  /** Speech has words, sound is a voice without words, silence is only seen; a still is a picture, a text nothing but words. */
  kind: "speech" | "sound" | "silence" | "still" | "text";
  /** The id of one of `people`, where it is known who is seen or heard. */
  person: string | null;
  /** Seconds of the media. */
  start: number;
  end: number;
  /** What was said, empty where nothing was. */
  text: string;
  /** Of the text, ISO 639-1, where known. */
  language: string | null;
  /** Who said it, as the transcript or the channel of the sound names them. */
  speaker: string | null;
  modalities: ModalitiesLayout;
  emotions: Array<EmotionScore>;
  /** Whether the model decides nothing here. */
  abstained: boolean;
  /** Only of a model that was calibrated for a coverage. */
  label_set?: Array<string> | null;
  /** By name, only of a model that has scales. */
  scales?: Record<string, ScaleValue>;
}

/** The annotation; docs/annotation.md is the contract. */
export interface AnnotationLayout {
  schema_version: "2.1";
  media: SourceInfo;
  model: ModelInfo;
  people: Array<Person>;
  faces: Array<Face>;
  /** In order of their starts; those of one person do not overlap. */
  utterances: Array<UtteranceLayout>;
  provenance: Provenance;
}

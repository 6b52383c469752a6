/** The head of the account's tables: the titles of the columns of words, then those of numbers, which stand at the right. */
export function TableHead(props: {
  words: readonly string[];
  numbers: readonly string[];
  last?: string;
  hidden?: string;
}) {
  return (
    <thead>
      <tr>
        {props.words.map((title) => (
          <th key={title} scope="col">
            {title}
          </th>
        ))}
        {props.numbers.map((title) => (
          <th key={title} scope="col" class="num">
            {title}
          </th>
        ))}
        {props.last !== undefined && <th scope="col">{props.last}</th>}
        {props.hidden !== undefined && (
          <th scope="col">
            <span class="sr-only">{props.hidden}</span>
          </th>
        )}
      </tr>
    </thead>
  );
}

import * as React from 'react';

interface Props {
  label: string;
}

/** A button. */
export const Button: React.FC<Props> = ({ label, children }) => {
  const onClick = React.useCallback(() => press(label), [label]);

  function onKey(event: React.KeyboardEvent): void {
    press(event.key);
  }

  return (
    <button onClick={onClick} onKeyDown={onKey}>
      {label} {children}
    </button>
  );
};

export default function App(): JSX.Element {
  return <Button label="ok">Fine</Button>;
}

export const List = <T,>(props: { items: T[] }) => (
  <ul>
    {props.items.map((item) => (
      <li>{String(item)}</li>
    ))}
  </ul>
);

export const Memo = React.memo(function Inner({ label }: Props) {
  return <i>{label}</i>;
});

class Panel extends React.Component<Props> {
  state = { open: false };

  render() {
    return <div>{this.props.label}</div>;
  }
}
